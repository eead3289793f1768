"""One shard: how its container is run, and what each end means for the step."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

pytest.importorskip("action", reason="the action is part of the checkout, not of the wheel")

from ...support.action_step import DSN, FakeDocker, Step, commands, ran, result


def test_a_shard_that_ran_is_green_with_its_figures(step: Step) -> None:
    done = step.run(shard="1/4")
    assert done.code == 0
    stats = {"searches": 3, "videos_new": 42, "calls": {"search": 3, "units": 1}}
    assert done.outputs == {"outcome": "ok", "exit-code": "0", "stats": json.dumps(stats, separators=(",", ":"))}
    assert done.summary.startswith("### Maia hunter 1/4: ok\n\nThe cycles ran.\n")
    assert "| videos new | 42 |\n" in done.summary
    assert "| calls: search | 3 |\n" in done.summary
    assert re.search(r"Time: image \d+\.\d s, container \d+\.\d s, Python \d+\.\d s, work 12\.5 s, end", done.summary)
    assert "The vault is off: " in done.summary
    assert done.annotations("error") == done.annotations("notice") == []


def test_the_container_is_hardened_named_and_removed_and_gets_no_secret_by_its_command(
    step: Step, docker: FakeDocker
) -> None:
    step.here(command="tracker", shard="2/3", batch_size="7", cycles="2", network="host")
    (run,) = docker.of("run")
    words = " ".join(run["arguments"])
    name = run["arguments"][run["arguments"].index("--name") + 1]
    assert re.fullmatch(r"maia-[0-9a-f]{16}", name)
    assert words.startswith(f"run --init --name {name} --pull never --read-only --tmpfs /tmp --volume /run/maia ")
    assert "--cap-drop ALL --security-opt no-new-privileges --network host " in words
    assert "--rm" not in run["arguments"]
    assert words.endswith(
        " maia:test python -m maia tracker --shard 2/3 --batch-size 7 --cycles 2 --result-file /run/maia/result.json"
    )
    assert run["env"]["DATABASE_URL"] == DSN
    assert [call["arguments"] for call in docker.of("rm")] == [["rm", "--force", "--volumes", name]]
    assert docker.of("stop") == []


def test_docker_is_not_in_the_session_that_a_terminals_ctrl_c_reaches(step: Step, docker: FakeDocker) -> None:
    step.here()
    sessions = [call["sid"] for call in docker.calls]
    assert len(set(sessions)) == len(sessions)


def test_minutes_win_over_cycles_that_are_one(step: Step, docker: FakeDocker) -> None:
    step.here(cycles="1", max_minutes="5")
    words = " ".join(docker.of("run")[0]["arguments"])
    assert "--max-minutes 5" in words
    assert "--cycles" not in words


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("idle", "Nothing was due."),
        ("quota-exhausted", "The quota of the ring is spent; it resets at midnight"),
    ],
)
def test_idle_and_spent_are_green(step: Step, docker: FakeDocker, outcome: str, words: str) -> None:
    reason = "it resets at 2026-11-21T08:00:00Z (in 5.5 h)"
    docker.plays(run=[ran(result=result(outcome=outcome, stats={"reason": reason}))])
    done = step.here()
    assert (done.code, done.outputs["outcome"], done.outputs["exit-code"]) == (0, outcome, "0")
    assert words in done.summary
    assert reason in done.summary
    notice = [f"Maia: quota-exhausted: hunter 0/1: {reason}"] if outcome == "quota-exhausted" else []
    assert done.annotations("notice") == notice
    assert (
        [text for text in done.annotations("warning") if "short secret" not in text] == done.annotations("error") == []
    )


def test_a_churn_passes_with_an_output_and_a_notice(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(75, result=result(outcome="churn", code=75, error="rateLimitExceeded"))])
    done = step.here()
    assert done.code == 0
    assert (done.outputs["outcome"], done.outputs["exit-code"], done.outputs["churned"]) == ("churn", "75", "true")
    (notice,) = done.annotations("notice")
    assert notice.startswith("Maia: churn (75): hunter 0/1: YouTube's rate limit; everything answered is stored")
    assert "rateLimitExceeded" in notice
    assert done.annotations("error") == []


def test_a_churn_fails_where_it_shall(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(75, result=result(outcome="churn", code=75))])
    done = step.here(fail_on="churn")
    assert (done.code, done.outputs["churned"]) == (75, "true")
    assert [text.split(": ")[1] for text in done.annotations("error")] == ["churn (75)"]


def test_fail_on_churn_changes_nothing_else(step: Step) -> None:
    done = step.here(fail_on="churn")
    assert done.code == 0
    assert "churned" not in done.outputs


@pytest.mark.parametrize(
    ("how", "outcome", "title", "advice"),
    [
        (ran(1, result=result(outcome="failure", code=1, error="boom")), "failure", "failure (1)", "read the log"),
        (ran(2, output="Error: no such option\n"), "failure", "usage (2)", "correct the input"),
        (
            ran(69, result=result(outcome="unavailable", code=69)),
            "unavailable",
            "unavailable (69)",
            "check that what the message names",
        ),
        (
            ran(78, result=result(outcome="config", code=78, error="Empty KeyRing")),
            "config",
            "config (78)",
            "fix what",
        ),
        (ran(125, started=False, output="docker: no such network\n"), "failure", "container engine (125)", "read what"),
        (ran(126, output="not executable\n"), "failure", "not executable (126)", "another processor"),
        (ran(127, output="not found\n"), "failure", "not found (127)", "not one of Maia's"),
        (
            ran(1, output="[FATAL tini (6)] exec python failed: Exec format error\n"),
            "failure",
            "not executable (1)",
            "another processor",
        ),
        (
            ran(255, output="exec /opt/maia/bin/python: exec format error\n"),
            "failure",
            "not executable (255)",
            "another processor",
        ),
        (
            ran(125, started=False, output="Error: maia:test: image not known\n"),
            "failure",
            "container engine (125)",
            "read what",
        ),
        (ran(137), "failure", "killed (137)", "run it again"),
        (ran(137, oom=True), "failure", "out of memory (137)", "batch-size"),
        (ran(143, result=result(outcome="cancelled", code=143)), "cancelled", "cancelled (143)", "run it again"),
        (ran(139), "failure", "failure (139)", "read the log"),
    ],
)
def test_every_other_end_fails_with_its_code_and_an_annotation_of_its_own(
    step: Step, docker: FakeDocker, how: dict[str, Any], outcome: str, title: str, advice: str
) -> None:
    docker.plays(run=[how])
    done = step.here()
    assert done.code == how["code"]
    assert (done.outputs["outcome"], done.outputs["exit-code"]) == (outcome, str(how["code"]))
    (error,) = done.annotations("error")
    assert error.startswith(f"Maia: {title}: hunter 0/1: ")
    assert f"What to do: {advice}" in error or advice in error
    assert "**What to do:**" in done.summary
    said = (how.get("result") or {}).get("error") or how.get("output", "").strip()
    assert said in error
    assert said in done.summary


def test_what_docker_said_is_shown_and_not_its_advice_to_read_the_help(step: Step, docker: FakeDocker) -> None:
    said = "docker: Error response from daemon: network x not found.\n\nRun 'docker run --help' for more information\n"
    docker.plays(run=[ran(125, started=False, output=said)])
    assert "network x not found." in step.here().annotations("error")[0]


# ── text of others ──────────────────────────────────────────────────────────────────────────────────────────────────

EVIL = "::error::a\n##[add-mask]b\r::set-output name=shards::[9]\n::stop-commands::x\n\x1b[31m|<img src=x>`````\n# h"


@pytest.mark.parametrize("code", [0, 1, 75, 125])
def test_the_log_of_the_container_holds_no_command(step: Step, docker: FakeDocker, code: int) -> None:
    docker.plays(run=[ran(code, output=EVIL + "\nno end")])
    done = step.run()
    assert done.code == (0 if code in {0, 75} else code)
    assert EVIL.splitlines()[0] in done.log
    names = [name for name, _, data in commands(done.log) if data in {"a", "b", "x", "[9]"}]
    assert names == []
    assert set(done.outputs) <= {"outcome", "exit-code", "stats", "churned"}


def test_an_error_of_others_is_no_command_and_breaks_no_markdown(step: Step, docker: FakeDocker) -> None:
    stats = {"videos_new": 1, "| x |": 2, "<b>": 3, EVIL: 4, "title": EVIL, "tags": [EVIL]}
    docker.plays(run=[ran(1, result=result(outcome="failure", code=1, error=EVIL, stats=stats))])
    done = step.here()
    (error,) = done.annotations("error")
    assert "::error::a" in error  # as text
    assert [name for name, _, _ in commands(done.log) if name not in {"add-mask", "warning"}] == ["error"]
    lines = done.summary.splitlines()
    fence = next(line for line in lines if line.startswith("```"))
    assert fence == "``````text"
    begin = lines.index(fence)
    end = lines.index("``````")
    assert not any("img" in line or "# h" in line for line in lines[:begin] + lines[end:])
    assert "\x1b" not in done.summary
    assert "\r" not in done.summary
    assert done.outputs["stats"] == '{"videos_new":1}'
    assert "| videos new | 1 |" in done.summary
    assert "| x |" not in done.summary


# ── the engine ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_engine_that_does_not_answer_is_125_with_what_docker_said(step: Step, docker: FakeDocker) -> None:
    said = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    docker.plays(engine=said)
    done = step.here()
    assert (done.code, done.outputs["exit-code"], done.outputs["outcome"]) == (125, "125", "failure")
    assert said in done.annotations("error")[0]
    assert docker.of("run") == []


def test_a_container_that_podman_removed_already_is_no_warning(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(125, started=False, output="Error: crun: cannot set up cgroups\n")])
    script = docker.bin / "docker"
    script.write_text(
        script.read_text().replace("Error: No such container", "Error: no container with ID: no such container")
    )
    done = step.here()
    assert "crun: cannot set up cgroups" in done.annotations("error")[0]
    assert not any("could not be removed" in text for text in done.annotations("warning"))


def test_without_docker_the_step_says_what_it_needs(step: Step, docker: FakeDocker) -> None:
    (docker.bin / "docker").unlink()
    step.env["PATH"] = str(docker.bin)
    done = step.run()
    assert done.code == 125
    assert "There is no command `docker` here" in done.annotations("error")[0]


def test_a_container_that_cannot_be_removed_is_a_warning(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(result=result())])
    script = docker.bin / "docker"
    source = script.read_text().replace(
        "    path.unlink()\n", "    path.unlink()\n    sys.stderr.write('busy')\n    return 1\n"
    )
    script.write_text(source)
    done = step.here()
    assert done.code == 0
    assert any("could not be removed: busy" in text for text in done.annotations("warning"))


@pytest.mark.parametrize("provider", ["local", " 'Local' ", "LOCAL"])
@pytest.mark.parametrize("by_input", [True, False])
def test_an_archive_inside_the_container_is_refused(
    step: Step, docker: FakeDocker, provider: str, by_input: bool
) -> None:
    if not by_input:
        step.env["VAULT_PROVIDER"] = provider
    done = step.here(command="tracker", settings=f"VAULT_PROVIDER={provider}" if by_input else "")
    assert (done.code, done.outputs["outcome"], done.outputs["exit-code"]) == (78, "config", "78")
    assert done.annotations("error") == [
        "Maia: configuration: VAULT_PROVIDER=local archives into the container, which is removed with all that is in "
        "it. Use `huggingface` with HF_DATASET_ID and HF_TOKEN, or `off`."
    ]
    assert docker.calls == []


@pytest.mark.parametrize("url", ["file:///srv/archive", " 'FILE:///srv/archive' ", "local:///srv/archive"])
def test_an_address_inside_the_container_is_refused_too(step: Step, docker: FakeDocker, url: str) -> None:
    done = step.here(settings=f"VAULT_PROVIDER=fsspec\nVAULT_URL={url}")
    assert done.code == 78
    assert "VAULT_URL names a folder: the shard archives into the container" in done.annotations("error")[0]
    assert docker.calls == []
    assert step.here(settings="VAULT_PROVIDER=fsspec\nVAULT_URL=s3://file/archive").code == 0


@pytest.mark.parametrize(("provider", "said"), [("", True), ("off", True), ("huggingface", False)])
def test_an_archive_that_is_off_is_said_in_words(step: Step, provider: str, said: bool) -> None:
    step.env["VAULT_PROVIDER"] = provider
    assert ("The vault is off" in step.here().summary) is said
