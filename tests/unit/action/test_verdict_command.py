"""The verdict over all shards: red or green from the jobs' results alone, the table where it can be had."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

pytest.importorskip("action", reason="the action is part of the checkout, not of the wheel")

from action.commands import verdict
from action.errors import UsageError
from action.needs import Needs

from ...support.action_step import Done, FakeDocker, Step, ran, result

WAITING = ["gate", "wave-2"]


def needs(churned: str = "", word: str = "+", **results: str) -> str:
    """The context as GitHub gives it; `churned` names the jobs with that output, `word` is its value."""
    jobs: dict[str, Any] = {"plan": "success", "shards": "success", **dict.fromkeys(WAITING, "skipped")}
    jobs |= {name.replace("_", "-"): given for name, given in results.items()}
    return json.dumps(
        {
            name: {"result": given, "outputs": {"churned": word} if name in churned.split() else {}}
            for name, given in jobs.items()
        }
    )


ROWS = [
    {
        "wave": 1,
        "shard": "0/2",
        "outcome": "ok",
        "exit_code": 0,
        "seconds": 12.34,
        "stats": {"videos_new": 40, "failed": 0},
    },
    {"wave": 1, "shard": "1/2", "outcome": "churn", "exit_code": 75, "seconds": 3, "stats": {"calls": {"search": 2}}},
    {"wave": 2, "shard": "0/1", "outcome": None, "exit_code": None, "seconds": None, "stats": {}},
]
TABLE = ran(result=result("verdict", stats={"rows": ROWS, "totals": {"videos_new": 40, "calls": {"search": 2}}}))


def test_all_green_is_green_with_the_table(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[TABLE])
    done = step.run(command="verdict", agent="tracker", needs=needs(), run="4711-2")
    assert done.code == 0
    assert done.outputs == {
        "outcome": "ok",
        "exit-code": "0",
        "stats": '{"videos_new":40,"calls":{"search":2}}',
    }
    assert done.summary.startswith("### Maia tracker, all shards: ok\n\nAll shards ended well.\n\n")
    assert "| wave | shard | outcome | seconds | videos new | calls: search |\n" in done.summary
    assert (
        "| 1 | 0/2 | ok | 12.3 | 40 |  |\n| 1 | 1/2 | churn | 3.0 |  | 2 |\n| 2 | 0/1 | killed |  |  |  |\n"
        "| all |  |  |  | 40 | 2 |\n"
    ) in done.summary
    assert "failed" not in done.summary
    (run,) = docker.of("run")
    assert " ".join(run["arguments"]).endswith("python -m maia verdict tracker --result-file /run/maia/result.json")
    assert run["env"]["MAIA_RUN_ID"] == "4711-2"


RESETS = "every key of the ring 'hunting' has spent the day's 'search' quota; it resets at 2026-11-21T08:00:00Z"


def ended(*outcomes: str, **more: Any) -> dict[str, Any]:
    """A container of `maia verdict` whose shards ended so; each of spent quota says until when."""
    reasons = {"quota-exhausted": {"reason": RESETS}}
    rows = [
        {"wave": 1, "shard": f"{i}/{len(outcomes)}", "outcome": word, "seconds": 1.0, "stats": reasons.get(word, {})}
        | ({"error": "401 of the ::error::day"} if word == "failure" else {})
        for i, word in enumerate(outcomes)
    ]
    totals = {"videos_new": 12, "videos_enriched": 12, "calls": {"search": 3, "units": 1}}
    return ran(result=result("verdict", stats={"rows": rows, "totals": totals, **more}))


ACHIEVED = "12 new videos, 12 snapshots, 4 calls (search 3, units 1)"


@pytest.mark.parametrize(
    ("outcomes", "given", "outcome", "first", "lines"),
    [
        (("ok", "ok"), {}, "ok", "All shards ended well.", []),
        (("quota-exhausted", "quota-exhausted"), {}, "quota-exhausted", "No shard failed, and the quota is spent.",
         [f"2 of 2 shards stopped because the quota is spent (0/2, 1/2): {RESETS}"]),
        (("ok", "quota-exhausted"), {}, "quota-exhausted", "No shard failed, and the quota is spent.",
         [f"1 of 2 shards stopped because the quota is spent (1/2): {RESETS}"]),
        (("idle", "idle"), {}, "idle", "No shard found anything due.", ["2 of 2 shards found nothing due (0/2, 1/2)"]),
        (("ok", "churn"), {"churned": "shards"}, "churn",
         "Shards met YouTube's rate limit, and no further wave was started; ",
         ["1 of 2 shards of wave 1 met YouTube's rate limit (1/2); their work is left to the next run"]),
        (("ok", "churn"), {}, "churn", "No shard failed, and YouTube's rate limit was met.",
         ["1 of 2 shards of wave 1 met YouTube's rate limit (1/2); their work is left to the next run"]),
        (("quota-exhausted", "idle", "ok"), {}, "quota-exhausted", "No shard failed, and the quota is spent.",
         [f"1 of 3 shards stopped because the quota is spent (0/3): {RESETS}",
          "1 of 3 shards found nothing due (1/3)"]),
        (("ok", "failure"), {"shards": "failure"}, "failure", "Failed: `shards`.",
         ["1 of 2 shards ended with failure: 401 of the ::error::day (1/2)"]),
        (("quota-exhausted", "ok"), {"shards": "cancelled"}, "cancelled", "Cancelled, by a person",
         [f"1 of 2 shards stopped because the quota is spent (0/2): {RESETS}"]),
    ],
)  # fmt: skip
def test_it_says_what_was_achieved_and_why_not_more(
    step: Step,
    docker: FakeDocker,
    outcomes: tuple[str, ...],
    given: dict[str, str],
    outcome: str,
    first: str,
    lines: list[str],
) -> None:
    docker.plays(run=[ended(*outcomes)])
    done = step.here(command="verdict", needs=needs(**given))
    assert done.outputs["outcome"] == outcome
    assert done.code == (1 if outcome in {"failure", "cancelled"} else 0)
    assert done.outputs.get("churned") == ("true" if outcome == "churn" else None)
    words = "\n".join([ACHIEVED, *lines])
    assert done.annotations("notice") == [f"Maia: {outcome}: hunter, all shards: {words}"]
    assert done.summary.startswith(f"### Maia hunter, all shards: {outcome}\n\n{first}")
    assert f"```text\n{words}\n```\n" in done.summary
    assert ("All shards ended well" in done.summary) is (outcome == "ok")


def test_a_run_that_churned_and_whose_gate_found_the_quota_spent_says_so(step: Step, docker: FakeDocker) -> None:
    gate = {
        "wave": 2,
        "shards": 0,
        "outcome": "quota-exhausted",
        "reason": f"1 shard of wave 1 met a rate limit; {RESETS}",
    }
    docker.plays(run=[ended("ok", "churn", gate=gate)])
    done = step.here(command="verdict", needs=needs("shards", gate="success"))
    assert (done.code, done.outputs["outcome"], done.outputs["churned"]) == (0, "quota-exhausted", "true")
    (notice,) = done.annotations("notice")
    assert notice.startswith("Maia: quota-exhausted: hunter, all shards: ")
    assert f"(1/2); no further shard was started: {RESETS}" in notice
    assert any("and no further wave was started" in text for text in done.annotations("warning"))
    assert "last wave" not in done.log + done.summary


def test_where_the_rows_are_not_known_it_claims_nothing_of_the_shards(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(69, result=result("verdict", "unavailable", 69, error="no database"))])
    done = step.here(command="verdict", needs=needs())
    assert (done.code, done.outputs["outcome"]) == (0, "ok")
    assert done.summary.startswith("### Maia hunter, all shards: ok\n\nNo shard failed.\n\n")
    (notice,) = done.annotations("notice")
    assert "What the shards achieved is not known here" in notice


def test_a_failed_job_is_red_and_named(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[TABLE])
    done = step.here(command="verdict", needs=needs(shards="failure", gate="success", wave_2="failure"))
    assert (done.code, done.outputs["outcome"], done.outputs["exit-code"]) == (1, "failure", "1")
    (error,) = done.annotations("error")
    assert "Failed: shards, wave-2." in error
    assert "| wave | shard |" in done.summary


def test_a_cancelled_job_fails_and_it_is_said_in_words(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[TABLE])
    done = step.here(command="verdict", needs=needs(shards="cancelled"))
    assert (done.code, done.outputs["outcome"]) == (1, "cancelled")
    assert "by a person or by the job's time limit: shards" in done.annotations("error")[0]


@pytest.mark.parametrize("word", ["", "timed_out", "<b>"])
def test_an_unknown_result_is_red(step: Step, docker: FakeDocker, word: str) -> None:
    docker.plays(run=[TABLE])
    assert step.here(command="verdict", needs=needs(shards=word)).code == 1


@pytest.mark.parametrize("word", ["+", "true"])
def test_still_churned_after_the_last_wave_is_green_with_a_warning(step: Step, docker: FakeDocker, word: str) -> None:
    docker.plays(run=[TABLE])
    done = step.here(command="verdict", needs=needs("shards wave-2", word, gate="success", wave_2="success"))
    assert (done.code, done.outputs["outcome"], done.outputs["churned"]) == (0, "churn", "true")
    assert any("still met YouTube's rate limit" in text for text in done.annotations("warning"))


def test_churned_shards_whose_work_a_later_wave_finished_are_forgotten(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[TABLE])
    done = step.here(command="verdict", needs=needs("shards", gate="success", wave_2="success"))
    assert (done.code, done.outputs["outcome"]) == (0, "ok")
    assert "churned" not in done.outputs
    assert not any("rate limit" in text for text in done.annotations("warning"))
    assert "All shards ended well, after 2 waves." in done.summary


def test_where_no_shard_was_started_no_container_is_either(step: Step, docker: FakeDocker) -> None:
    done = step.here(command="verdict", needs=needs(shards="skipped"))
    assert (done.code, done.outputs["outcome"]) == (0, "idle")
    assert "No shard was started; the plan says why." in done.summary
    assert docker.calls == []


def test_a_failed_plan_is_red(step: Step, docker: FakeDocker) -> None:
    done = step.here(command="verdict", needs=needs(plan="failure", shards="skipped"))
    assert done.code == 1
    assert "Failed: plan." in done.annotations("error")[0]


@pytest.mark.parametrize(
    "broken",
    [
        {"run": [ran(69, result=result("verdict", "unavailable", 69, error="the database | cannot be reached"))]},
        {"run": [ran(0)]},
        {"run": [ran(0, result=result("verdict", stats={"rows": "none"}))]},
        {"run": [ran(125, started=False, output="docker: no such image\n")]},
        {"images": [], "pull": [{"code": 1, "output": "manifest unknown\n"}]},
        {"engine": "Cannot connect to the Docker daemon"},
    ],
    ids=["database", "no result", "damaged", "container", "image", "engine"],
)
@pytest.mark.parametrize(("shards", "code"), [("success", 0), ("failure", 1)])
def test_a_table_that_cannot_be_had_changes_nothing(
    step: Step, docker: FakeDocker, broken: dict[str, Any], shards: str, code: int
) -> None:
    docker.plays(**broken)
    done = step.here(command="verdict", needs=needs(shards=shards))
    assert done.code == code
    assert len(done.annotations("error")) == code
    assert len(left_out(done)) > 10
    assert "| wave |" not in done.summary


def left_out(done: Done) -> str:
    """Why there is no table, as the summary says it: in one block, at the end."""
    (why,) = re.findall(r"^The table over all shards is left out:\n\n```+text\n(.*)\n```+\n\Z", done.summary, re.M)
    return str(why)


def test_what_docker_said_about_the_table_is_text(step: Step, docker: FakeDocker) -> None:
    said = "see www.evil.com, @team ```` <img src=x>"
    docker.plays(run=[ran(125, started=False, output=said + "\n")])
    done = step.here(command="verdict", needs=needs())
    assert left_out(done) == said
    assert "`````text\n" in done.summary


def test_names_of_jobs_are_text(step: Step, docker: FakeDocker) -> None:
    jobs = {"www.evil.com": {"result": "failure"}, "<img src=x>": {"result": "failure"}}
    done = step.here(command="verdict", needs=json.dumps(jobs))
    assert "Failed: `www.evil.com`, `<img src=x>`. Their annotations" in done.summary


@pytest.mark.parametrize(("shards", "code"), [("success", 0), ("failure", 1)])
@pytest.mark.parametrize("where", ["waves", "figures"])
def test_a_bug_in_the_table_changes_nothing(
    step: Step, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch, where: str, shards: str, code: int
) -> None:
    def fails(*_: object) -> str:
        raise RuntimeError("::error::a bug")

    monkeypatch.setattr(verdict if where == "figures" else verdict.summary, where, fails)
    docker.plays(run=[TABLE])
    done = step.here(command="verdict", needs=needs(shards=shards))
    assert done.code == code
    assert len(done.annotations("error")) == code
    assert left_out(done) == "the action itself failed: RuntimeError. This is a bug; report it."
    assert "RuntimeError: ::error::a bug" in done.log


@pytest.mark.parametrize(("shards", "code"), [("success", 0), ("failure", 1)])
@pytest.mark.parametrize("verb", ["pull", "build", "run"])
def test_a_table_that_takes_too_long_is_left_out(
    step: Step, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch, verb: str, shards: str, code: int
) -> None:
    # a build begins with the hash of the tree, and even on a busy machine its time must not be up before
    monkeypatch.setattr(verdict, "TABLE_SECONDS", 5 if verb == "build" else 3)
    how = {"code": 0, "block": True}
    docker.plays(**{"run": [ran(143, block=True)]} if verb == "run" else {"images": [], verb: [how]})
    image = {"pull": "maia:remote", "build": "build", "run": "maia:test"}[verb]
    began = time.monotonic()
    done = step.here(command="verdict", image=image, needs=needs(shards=shards))
    assert time.monotonic() - began < 60
    assert (done.code, len(docker.of(verb)), bool(docker.of("stop"))) == (code, 1, verb == "run")
    assert left_out(done) == "its time was up, which is 120 s, with the image."
    assert not any("cancelled" in text for text in done.annotations("notice"))


def test_without_docker_the_verdict_stands(step: Step, docker: FakeDocker) -> None:
    (docker.bin / "docker").unlink()
    step.env["PATH"] = str(docker.bin)
    assert step.run(command="verdict", needs=needs()).code == 0


def test_shards_that_the_database_does_not_know_are_named(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(result=result("verdict", stats={"rows": [], "totals": {}}))])
    done = step.here(command="verdict", needs=needs(shards="failure"))
    assert done.code == 1
    assert "The database knows of no shard of this run." in done.summary


def test_a_row_that_others_wrote_breaks_no_table(step: Step, docker: FakeDocker) -> None:
    rows = [
        {"wave": "|", "shard": "0|1", "outcome": "<b>", "seconds": "x", "stats": {"a|b": 1, "videos_new": 2}},
        "x",
        5,
    ]
    docker.plays(run=[ran(result=result("verdict", stats={"rows": rows, "totals": {}}))])
    done = step.here(command="verdict", needs=needs())
    assert "| ? | ? | ? |  | 2 |" in done.summary


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"plan": "success"}', "${{ toJSON(needs) }}", "[" * 10**5])
def test_needs_that_are_none_are_a_wrong_input(text: str) -> None:
    with pytest.raises(UsageError, match="toJSON"):
        Needs.parse(text)


def test_the_waves_are_those_of_the_workflow() -> None:
    found = Needs.parse(needs("wave-2", wave_2="failure"))
    assert found.ran == ("shards", "wave-2")
    assert found.churned
