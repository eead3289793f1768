"""The verdict over all shards: red or green from the jobs' results alone, the table where it can be had."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from action.commands import verdict
from action.errors import UsageError
from action.needs import Needs

from ...support.action_step import Done, FakeDocker, Step, ran, result
from ...support.mermaid import charts


def needs(churned: str = "", word: str = "+", **results: str) -> str:
    """The context as GitHub gives it; `churned` names the jobs with that output, `word` is its value."""
    jobs = {"plan": "success", "shards": "success", "gate": "skipped", "wave-2": "skipped"}
    jobs |= {name.replace("_", "-"): given for name, given in results.items()}
    outputs = {name: {"churned": word} for name in churned.split()}
    return json.dumps({name: {"result": given, "outputs": outputs.get(name, {})} for name, given in jobs.items()})


def row(wave: object, shard: str, outcome: str | None, seconds: object, **stats: object) -> dict[str, Any]:
    return {"wave": wave, "shard": shard, "outcome": outcome, "seconds": seconds, "stats": stats}


def table(*rows: object, totals: object = None, **more: object) -> dict[str, Any]:
    return ran(result=result("verdict", stats={"rows": rows, "totals": totals or {}, **more}))


TABLE = table(
    row(1, "0/2", "ok", 12.34, videos_new=40, failed=0),
    row(1, "1/2", "churn", 3, calls={"search": 2}),
    row(2, "0/1", None, None),
    totals={"videos_new": 40, "calls": {"search": 2}},
)
RESETS = "every key of the ring 'hunting' has spent the day's 'search' quota; it resets at 2026-11-21T08:00:00Z"
ACHIEVED = "12 new videos, 12 snapshots, 4 calls (search 3, units 1)"


def ended(*outcomes: str, **more: Any) -> dict[str, Any]:
    """A container of `maia verdict` whose shards ended so; each of spent quota says until when."""
    reasons = {"quota-exhausted": {"reason": RESETS}}
    rows = [
        row(1, f"{i}/{len(outcomes)}", word, 1.0, **reasons.get(word, {}))
        | ({"error": "401 of the ::error::day"} if word == "failure" else {})
        for i, word in enumerate(outcomes)
    ]
    totals = {"videos_new": 12, "videos_enriched": 12, "calls": {"search": 3, "units": 1}}
    return table(*rows, totals=totals, **more)


def left_out(done: Done) -> str:
    """Why there is no table, as the summary says it: in one block, at the end."""
    (why,) = re.findall(r"^The table over all shards is left out:\n\n```+text\n(.*)\n```+\n\Z", done.summary, re.M)
    return str(why)


def test_all_green_is_green_with_the_table(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[TABLE])
    done = step.run(command="verdict", agent="tracker", needs=needs(), run="4711-2")
    assert done.code == 0
    assert done.outputs == {"outcome": "ok", "exit-code": "0", "stats": '{"videos_new":40,"calls":{"search":2}}'}
    assert done.summary.startswith("### Maia tracker, all shards: ok\n\nAll shards ended well.\n\n")
    assert (
        "| wave | shard | outcome | seconds | videos new | calls: search |\n| --- | --- | --- | ---: | ---: | ---: |\n"
        "| 1 | 0/2 | ok | 12.3 | 40 |  |\n| 1 | 1/2 | churn | 3.0 |  | 2 |\n| 2 | 0/1 | killed |  |  |  |\n"
        "| all |  |  |  | 40 | 2 |\n"
    ) in done.summary
    assert "failed" not in done.summary
    (run,) = docker.of("run")
    assert " ".join(run["arguments"]).endswith("python -m maia verdict tracker --result-file /run/maia/result.json")
    assert run["env"]["MAIA_RUN_ID"] == "4711-2"


SPENT = "No shard failed, and the quota is spent."


@pytest.mark.parametrize(
    ("outcomes", "given", "outcome", "first", "lines"),
    [
        (("ok", "ok"), {}, "ok", "All shards ended well.", []),
        (("quota-exhausted", "quota-exhausted"), {}, "quota-exhausted", SPENT,
         [f"2 of 2 shards stopped because the quota is spent (0/2, 1/2): {RESETS}"]),
        (("idle", "idle"), {}, "idle", "No shard found anything due.", ["2 of 2 shards found nothing due (0/2, 1/2)"]),
        (("ok", "churn"), {"churned": "shards"}, "churn",
         "Shards met YouTube's rate limit, and no further wave was started; ",
         ["1 of 2 shards of wave 1 met YouTube's rate limit (1/2); their work is left to the next run"]),
        (("ok", "churn"), {}, "churn", "No shard failed, and YouTube's rate limit was met.",
         ["1 of 2 shards of wave 1 met YouTube's rate limit (1/2); their work is left to the next run"]),
        (("quota-exhausted", "idle", "ok"), {}, "quota-exhausted", SPENT,
         [f"1 of 3 shards stopped because the quota is spent (0/3): {RESETS}",
          "1 of 3 shards found nothing due (1/3)"]),
        (("ok", "failure"), {"shards": "failure"}, "failure", "Failed: `shards`.",
         ["1 of 2 shards ended with failure: 401 of the ::error::day (1/2)"]),
        (("quota-exhausted", "ok"), {"shards": "cancelled"}, "cancelled", "Cancelled, by a person",
         [f"1 of 2 shards stopped because the quota is spent (0/2): {RESETS}"]),
    ],
)  # fmt: skip
def test_it_says_what_was_achieved_and_why_not_more(
    step: Step, docker: FakeDocker, outcomes: tuple[str, ...], given: dict[str, str], outcome: str, first: str,
    lines: list[str],
) -> None:  # fmt: skip
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
    reason = f"1 shard of wave 1 met a rate limit; {RESETS}"
    gate = {"wave": 2, "shards": 0, "outcome": "quota-exhausted", "reason": reason}
    docker.plays(run=[ended("ok", "churn", gate=gate)])
    done = step.here(command="verdict", needs=needs("shards", gate="success"))
    assert (done.code, done.outputs["outcome"], done.outputs["churned"]) == (0, "quota-exhausted", "true")
    (notice,) = done.annotations("notice")
    assert notice.startswith("Maia: quota-exhausted: hunter, all shards: ")
    assert f"(1/2); no further shard was started: {RESETS}" in notice
    assert any("and no further wave was started" in text for text in done.annotations("warning"))
    assert "last wave" not in done.log + done.summary


STARTED = {"gate": "success", "wave_2": "success"}


@pytest.mark.parametrize(
    ("given", "code", "outcome", "level", "text"),
    [
        ({"shards": "failure", "gate": "success", "wave_2": "failure"}, 1, "failure", "error",
         "Failed: shards, wave-2."),
        ({"plan": "failure", "shards": "skipped"}, 1, "failure", "error", "Failed: plan."),
        ({"shards": ""}, 1, "failure", "error", "Failed: shards."),
        ({"shards": "timed_out"}, 1, "failure", "error", "Failed: shards."),
        ({"shards": "<b>"}, 1, "failure", "error", "Failed: shards."),
        ({"shards": "cancelled"}, 1, "cancelled", "error", "by a person or by the job's time limit: shards"),
        ({"churned": "shards wave-2", **STARTED}, 0, "churn", "warning", "still met YouTube's rate limit"),
        ({"churned": "wave-2", "word": "true", **STARTED}, 0, "churn", "warning", "still met YouTube's rate limit"),
        # the second wave finished the work of the first
        ({"churned": "shards", **STARTED}, 0, "ok", "warning", ""),
    ],
)  # fmt: skip
def test_the_results_of_the_jobs_decide(
    step: Step, docker: FakeDocker, given: dict[str, str], code: int, outcome: str, level: str, text: str
) -> None:
    docker.plays(run=[TABLE])
    done = step.here(command="verdict", needs=needs(**given))
    assert (done.code, done.outputs["outcome"], done.outputs["exit-code"]) == (code, outcome, str(code))
    assert done.outputs.get("churned") == ("true" if outcome == "churn" else None)
    found = [one for one in done.annotations(level) if "short secret" not in one]
    assert len(found) == bool(text)
    assert all(text in one for one in found)
    assert ("| wave | shard |" in done.summary) is (given.get("shards") != "skipped")
    assert ("All shards ended well, after 2 waves." in done.summary) is (outcome == "ok")


def test_where_no_shard_was_started_no_container_is_either(step: Step, docker: FakeDocker) -> None:
    done = step.here(command="verdict", needs=needs(shards="skipped"))
    assert (done.code, done.outputs["outcome"]) == (0, "idle")
    assert "No shard was started; the plan says why." in done.summary
    assert docker.calls == []


UNAVAILABLE = ran(69, result=result("verdict", "unavailable", 69, error="the database | cannot be reached"))


@pytest.mark.parametrize(
    ("broken", "shards"),
    [
        pytest.param({"run": [UNAVAILABLE]}, "success", id="database"),
        pytest.param({"run": [UNAVAILABLE]}, "failure", id="database, of failed shards"),
        pytest.param({"run": [ran(0)]}, "success", id="no result"),
        pytest.param({"run": [ran(0, result=result("verdict", stats={"rows": "none"}))]}, "success", id="damaged"),
        pytest.param({"run": [ran(125, started=False, output="docker: no such image\n")]}, "success", id="container"),
        pytest.param({"images": [], "pull": [{"code": 1, "output": "manifest unknown\n"}]}, "success", id="image"),
        pytest.param({"engine": "Cannot connect to the Docker daemon"}, "failure", id="engine"),
    ],
)
def test_a_table_that_cannot_be_had_changes_nothing(
    step: Step, docker: FakeDocker, broken: dict[str, Any], shards: str
) -> None:
    docker.plays(**broken)
    done = step.here(command="verdict", needs=needs(shards=shards))
    assert done.code == len(done.annotations("error")) == (shards == "failure")
    assert len(left_out(done)) > 10
    assert "| wave |" not in done.summary
    if shards == "success":  # nothing is claimed of shards whose rows are not known
        assert done.summary.startswith("### Maia hunter, all shards: ok\n\nNo shard failed.\n\n")
        (notice,) = done.annotations("notice")
        assert "What the shards achieved is not known here" in notice


@pytest.mark.parametrize(("where", "shards"), [("waves", "success"), ("figures", "success"), ("waves", "failure")])
def test_a_bug_in_the_table_changes_nothing(
    step: Step, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch, where: str, shards: str
) -> None:
    def fails(*_: object) -> str:
        raise RuntimeError("::error::a bug")

    monkeypatch.setattr(verdict if where == "figures" else verdict.summary, where, fails)
    docker.plays(run=[TABLE])
    done = step.here(command="verdict", needs=needs(shards=shards))
    assert done.code == len(done.annotations("error")) == (shards == "failure")
    assert left_out(done) == "the action itself failed: RuntimeError. This is a bug; report it."
    assert "RuntimeError: ::error::a bug" in done.log


@pytest.mark.parametrize(
    ("verb", "shards"), [("pull", "success"), ("build", "success"), ("run", "success"), ("run", "failure")]
)
def test_a_table_that_takes_too_long_is_left_out(
    step: Step, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch, verb: str, shards: str
) -> None:
    class TimeUpOnceItRuns(threading.Thread):
        def __init__(self, seconds: float, function: Callable[[int], None], args: tuple[int]) -> None:
            assert seconds == 120
            super().__init__(target=lambda: (docker.wait_until_busy(verb), function(*args)))

        def cancel(self) -> None:
            self.join()

    monkeypatch.setattr(verdict.threading, "Timer", TimeUpOnceItRuns)
    block = {"run": [ran(143, block=True)]} if verb == "run" else {"images": [], verb: [{"code": 0, "block": True}]}
    docker.plays(**block)
    image = {"pull": "maia:remote", "build": "build", "run": "maia:test"}[verb]
    done = step.here(command="verdict", image=image, needs=needs(shards=shards))
    assert (done.code, len(docker.of(verb))) == (shards == "failure", 1)
    assert bool(docker.of("stop")) is (verb == "run")
    assert left_out(done) == "it was not ready within 120 s, the image included."
    assert not any("cancelled" in text for text in done.annotations("notice"))


def test_without_docker_the_verdict_stands(step: Step, docker: FakeDocker) -> None:
    (docker.bin / "docker").unlink()
    step.env["PATH"] = str(docker.bin)
    assert step.here(command="verdict", needs=needs()).code == 0


def test_text_of_others_breaks_neither_the_table_nor_the_summary(step: Step, docker: FakeDocker) -> None:
    printed = "see www.evil.com, @team ```` <img src=x>"
    foreign = row("|", "0|1", "<b>", "x", videos_new=2, **{"a|b": 1})
    docker.plays(run=[ran(125, started=False, output=printed + "\n"), table(), table(foreign, "x", 5)])
    done = step.here(command="verdict", needs=needs())
    assert left_out(done) == printed
    assert "`````text\n" in done.summary
    done = step.here(command="verdict", needs=needs(shards="failure"))
    assert "The database has no shard of this run." in done.summary
    done = step.here(command="verdict", needs=needs())
    assert "| ? | ? | ? |  | 2 |" in done.summary
    jobs = {"www.evil.com": {"result": "failure"}, "<img src=x>": {"result": "failure"}}
    done = step.here(command="verdict", needs=json.dumps(jobs))
    assert "Failed: `www.evil.com`, `<img src=x>`. Their annotations" in done.summary


def test_what_the_run_left_stands_before_the_table_of_its_shards(step: Step, docker: FakeDocker) -> None:
    risers = [
        {"video_id": "dQw4w9WgXcQ", "title": f"@team | ``` {place}", "views_per_hour": 90.5 / place, "kind": "video"}
        for place in (1, 2)
    ]
    zones = [{"zone": 1, "tracked": 10, "late": 1, "kept": 0.9, "promise_hours": 1.5, "waits_hours": 2}]
    growth, cost = {"risers": risers}, {"minutes": 5, "jobs": 3, "unended": 0}
    docker.plays(run=[ended("ok", growth=growth, movers={"moved": []}, freshness={"zones": zones}, cost=cost)])
    done = step.here(command="verdict", needs=needs())
    assert done.code == 0
    assert [chart.title for chart in charts(done.summary)] == [
        "Views per hour by place in the table", "Videos that were read in time",
    ]  # fmt: skip
    headings = re.findall(r"^#### (.*)$", done.summary, re.MULTILINE)
    assert headings == [
        "Fastest risers",
        "Moved among the ten fastest since the run before",
        "Freshness by zone",
        "Cost",
    ]
    assert done.summary.index("Cost") < done.summary.index("| wave | shard |")
    assert done.outputs["stats"] == '{"videos_new":12,"videos_enriched":12,"calls":{"search":3,"units":1}}'


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"plan": "success"}', "${{ toJSON(needs) }}", "[" * 10**5])
def test_needs_that_are_none_are_a_wrong_input(text: str) -> None:
    with pytest.raises(UsageError, match="toJSON"):
        Needs.parse(text)
