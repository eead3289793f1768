"""One shard: how its container is run, and what each end means for the step."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ...support.action_step import DSN, FakeDocker, Step, commands, ran, result


def test_a_shard_that_ran_is_green_with_its_figures(step: Step) -> None:
    done = step.run(shard="1/4", fail_on="churn")
    assert done.code == 0
    stats = {"searches": 3, "videos_new": 42, "calls": {"search": 3, "units": 1}}
    assert done.outputs == {"outcome": "ok", "exit-code": "0", "stats": json.dumps(stats, separators=(",", ":"))}
    assert done.summary.startswith("### Maia hunter 1/4: ok\n\nThe cycles ran.\n")
    assert "| videos new | 42 |\n" in done.summary
    assert "| calls: search | 3 |\n" in done.summary
    assert re.search(r"Time: image \d+\.\d s, container \d+\.\d s, Python \d+\.\d s, work 12\.5 s, end", done.summary)
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
    sessions = {call["sid"] for call in docker.calls}
    assert len(sessions) == len(docker.calls), "a terminal's Ctrl-C reaches docker through the action alone"
    step.here(cycles="1", max_minutes="5")
    words = " ".join(docker.of("run")[1]["arguments"])
    assert "--max-minutes 5" in words
    assert "--cycles" not in words


@pytest.mark.parametrize(
    ("outcome", "words"),
    [("idle", "Nothing was due."), ("quota-exhausted", "The quota of the ring is spent; it resets at midnight")],
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
    assert all("short secret" in text for text in done.annotations("warning"))
    assert done.annotations("error") == []


def test_a_churn_passes_with_an_output_and_a_notice_and_fails_where_it_shall(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(75, result=result(outcome="churn", code=75, error="rateLimitExceeded"))])
    done = step.here()
    assert done.code == 0
    assert (done.outputs["outcome"], done.outputs["exit-code"], done.outputs["churned"]) == ("churn", "75", "true")
    (notice,) = done.annotations("notice")
    assert notice.startswith("Maia: churn (75): hunter 0/1: YouTube's rate limit; everything answered is stored")
    assert "rateLimitExceeded" in notice
    assert done.annotations("error") == []
    done = step.here(fail_on="churn")
    assert (done.code, done.outputs["churned"]) == (75, "true")
    assert [text.split(": ")[1] for text in done.annotations("error")] == ["churn (75)"]


TINI = "[FATAL tini (6)] exec python failed: Exec format error\n"
PODMAN = "docker: Error response from daemon: network x not found."
HELP = "\n\nRun 'docker run --help' for more information\n"


@pytest.mark.parametrize(
    ("how", "outcome", "title", "advice"),
    [
        (ran(1, result=result(outcome="failure", code=1, error="boom")), "failure", "failure (1)", "read the log"),
        (ran(2, output="Error: no such option\n"), "failure", "usage (2)", "correct the input"),
        (ran(69, result=result(outcome="unavailable", code=69)), "unavailable", "unavailable (69)",
         "check that the server or archive"),
        (ran(78, result=result(outcome="config", code=78, error="Empty KeyRing")), "config", "config (78)", "fix what"),
        (ran(125, started=False, output=PODMAN + HELP), "failure", "container engine (125)", "read what"),
        (ran(125, started=False, output="Error: maia:test: image not known\n"), "failure", "container engine (125)",
         "read what"),
        (ran(126, output="not executable\n"), "failure", "not executable (126)", "another processor"),
        (ran(127, output="not found\n"), "failure", "not found (127)", "not one of Maia's"),
        (ran(1, output=TINI), "failure", "not executable (1)", "another processor"),
        (ran(255, output="exec /opt/maia/bin/python: exec format error\n"), "failure", "not executable (255)",
         "another processor"),
        (ran(137), "failure", "killed (137)", "run it again"),
        (ran(137, oom=True), "failure", "out of memory (137)", "batch-size"),
        (ran(143, result=result(outcome="cancelled", code=143)), "cancelled", "cancelled (143)", "run it again"),
        (ran(139), "failure", "failure (139)", "read the log"),
    ],
)  # fmt: skip
def test_every_other_end_fails_with_its_code_and_an_annotation_of_its_own(
    step: Step, docker: FakeDocker, how: dict[str, Any], outcome: str, title: str, advice: str
) -> None:
    docker.plays(run=[how])
    done = step.here()
    assert (done.code, done.outputs["outcome"], done.outputs["exit-code"]) == (how["code"], outcome, str(how["code"]))
    (error,) = done.annotations("error")
    assert error.startswith(f"Maia: {title}: hunter 0/1: ")
    assert advice in error.partition("What to do: ")[2]
    assert "**What to do:**" in done.summary
    said = json.loads(how.get("result", "{}")).get("error") or how.get("output", "").removesuffix(HELP).strip()
    assert said in error
    assert said in done.summary


EVIL = "::error::a\n##[add-mask]b\r::set-output name=shards::[9]\n::stop-commands::x\n\x1b[31m|<img src=x>`````\n# h"


@pytest.mark.parametrize("code", [0, 1, 75, 125])
def test_the_log_of_the_container_holds_no_command(step: Step, docker: FakeDocker, code: int) -> None:
    docker.plays(run=[ran(code, output=EVIL + "\nno end")])
    done = step.here()
    assert done.code == (0 if code in {0, 75} else code)
    assert EVIL.splitlines()[0] in done.log
    assert not [name for name, _, data in commands(done.log) if data in {"a", "b", "x", "[9]"}]
    assert set(done.outputs) <= {"outcome", "exit-code", "stats", "churned"}


def test_an_error_of_others_is_no_command_and_breaks_no_markdown(step: Step, docker: FakeDocker) -> None:
    stats = {"videos_new": 1, "| x |": 2, "<b>": 3, EVIL: 4, "title": EVIL, "tags": [EVIL]}
    docker.plays(run=[ran(1, result=result(outcome="failure", code=1, error=EVIL, stats=stats))])
    done = step.here()
    (error,) = done.annotations("error")
    assert "::error::a" in error  # as text
    assert [name for name, _, _ in commands(done.log) if name not in {"add-mask", "warning"}] == ["error"]
    lines = done.summary.splitlines()
    begin, end = lines.index("``````text"), lines.index("``````")
    assert begin == next(i for i, line in enumerate(lines) if line.startswith("```"))
    assert not any("img" in line or "# h" in line for line in lines[:begin] + lines[end:])
    assert not {"\x1b", "\r"} & set(done.summary)
    assert done.outputs["stats"] == '{"videos_new":1}'
    assert "| videos new | 1 |" in done.summary
    assert "| x |" not in done.summary


def test_without_docker_the_step_says_what_it_needs(step: Step, docker: FakeDocker) -> None:
    (docker.bin / "docker").unlink()
    step.env["PATH"] = str(docker.bin)
    done = step.here()
    assert done.code == 125
    assert "There is no command `docker` here" in done.annotations("error")[0]


def test_a_container_that_cannot_be_removed_is_a_warning(step: Step, docker: FakeDocker) -> None:
    docker.plays(rm="busy")
    done = step.here()
    assert done.code == 0
    assert any("could not be removed: busy" in text for text in done.annotations("warning"))


def test_a_container_that_podman_removed_already_is_no_warning(step: Step, docker: FakeDocker) -> None:
    absent = "Error: no container with ID: no such container"
    docker.plays(run=[ran(125, started=False, output="Error: crun: cannot set up cgroups\n")], absent=absent)
    done = step.here()
    assert "crun: cannot set up cgroups" in done.annotations("error")[0]
    assert not any("could not be removed" in text for text in done.annotations("warning"))


@pytest.mark.parametrize(
    ("environment", "settings", "what"),
    [
        *(({"VAULT_PROVIDER": name}, "", "VAULT_PROVIDER=local") for name in ("local", " 'Local' ", "LOCAL")),
        ({}, "VAULT_PROVIDER= 'Local' ", "VAULT_PROVIDER=local"),
        ({"VAULT_PROVIDER": "off"}, "VAULT_PROVIDER=local", "VAULT_PROVIDER=local"),
        *(
            ({}, f"VAULT_PROVIDER=fsspec\nVAULT_URL={url}", "VAULT_URL names a folder: the shard")
            for url in ("file:///srv/archive", " 'FILE:///srv/archive' ", "local:///srv/archive")
        ),
    ],
)
def test_an_archive_inside_the_container_is_refused(
    step: Step, docker: FakeDocker, environment: dict[str, str], settings: str, what: str
) -> None:
    step.env |= environment
    done = step.here(command="tracker", settings=settings)
    assert (done.code, done.outputs["outcome"], done.outputs["exit-code"]) == (78, "config", "78")
    assert done.annotations("error") == [
        f"Maia: configuration: {what} archives into the container, which is removed with all that is in it. "
        "Use `huggingface` with HF_DATASET_ID and HF_TOKEN, or `off`."
    ]
    assert docker.calls == []


@pytest.mark.parametrize(
    ("settings", "off"),
    [
        ("VAULT_PROVIDER=", True),
        ("VAULT_PROVIDER=off", True),
        ("VAULT_PROVIDER=huggingface", False),
        ("VAULT_PROVIDER=fsspec\nVAULT_URL=s3://file/archive", False),
    ],
)
def test_the_summary_says_whether_the_archive_is_off(step: Step, settings: str, off: bool) -> None:
    done = step.here(settings=settings)
    assert done.code == 0
    assert ("The vault is off: " in done.summary) is off
