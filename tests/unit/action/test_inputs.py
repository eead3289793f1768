"""The inputs: each wrong one is named, with what it may be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from action.errors import SettingError, UsageError
from action.inputs import Inputs

from ...support.action_step import FakeDocker, Step


def read(workspace: Path | None = None, environ: dict[str, str] | None = None, **inputs: str) -> Inputs:
    named = {f"MAIA_INPUT_{name.upper()}": value for name, value in inputs.items()}
    here = {"GITHUB_WORKSPACE": str(workspace)} if workspace else {}
    return Inputs.read({"GITHUB_RUN_ID": "4711", "GITHUB_RUN_ATTEMPT": "2", **here, **(environ or {}), **named})


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("command", "foo", "`hunter`, `tracker`, `janitor`, `plan`, `verdict`, `check` or `report`"),
        *(("max_age", value, "a duration such as 90m, 3h or 2d") for value in ("3", "3 h", "-3h", "3h --help", "3w")),
        *(("days", value, "a whole number from 1 to 366") for value in ("0", "367", "x")),
        ("command", "Hunter", "`hunter`"),
        *(("shard", value, "I/N with I from 0 to N-1") for value in ("5/4", "4/4", "1", "-1/4", "1/4; rm")),
        *(("batch_size", value, "a whole number from 0 on") for value in ("-1", "ten", "1.5", "٣")),
        *(("cycles", value, "a whole number from 1 on") for value in ("0", "-1")),
        *(("max_minutes", value, "a number of minutes above 0") for value in ("-1", "0.001", "nan", "inf", "long")),
        ("max_shards", "256", "a whole number from 1 to 255"),
        ("wave", "0", "a whole number"),
        *(("run", value, "digits and hyphens") for value in ("$(id)", "1-", "1" * 101)),
        ("migrate", "yes", "`true` or `false`"),
        ("dry_run", "perhaps", "`true` or `false`"),
        ("image", "--privileged", "an image's name, or `build`"),
        ("image", "a b", "an image's name"),
        ("network", "--pid=host", "a Docker network's name"),
        ("fail_on", "failure", "empty or `churn`"),
    ],
)
def test_a_wrong_input_is_named_with_what_it_may_be(name: str, value: str, wanted: str) -> None:
    with pytest.raises(UsageError, match=re.escape(wanted)) as refused:
        read(**{name: value})
    assert f"`{name.replace('_', '-')}`" in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"command": "plan", "agent": "archeologist"}, "`agent` is 'archeologist'; it must be `hunter` or `tracker`"),
        ({"command": "plan", "agent": "janitor"}, "`agent` is 'janitor'; it must be `hunter` or `tracker`"),
        ({"command": "plan", "agent": "tracker", "queries": "x"}, "are for hunter"),
        ({"cycles": "2", "max_minutes": "5"}, "`cycles` or `max-minutes`, not both"),
        ({"command": "janitor", "cycles": "2"}, "the janitor has no cycles"),
        (
            {"command": "hunter", "dry_run": "true"},
            "The input `dry-run` is for janitor; remove it here, where the command is hunter.",
        ),
        (
            {"command": "tracker", "yes": "true"},
            "The input `yes` is for janitor; remove it here, where the command is tracker.",
        ),
    ],
)
def test_inputs_that_do_not_go_together_are_wrong(inputs: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        read(**inputs)


@pytest.mark.parametrize(
    ("inputs", "read_as"),
    [
        ({}, {"command": "hunter", "agent": "hunter", "shard": "0/1", "wave": 1, "max_shards": 4, "run": "4711-2"}),
        ({}, {"migrate": False, "fail_on_churn": False, "batch_size": None, "cycles": None, "max_minutes": None}),
        ({"command": "tracker", "agent": "hunter"}, {"agent": "tracker"}),
        ({"cycles": "1", "max_minutes": "5.50"}, {"max_minutes": "5.5"}),
        # the inputs of the workflows are numbers: there, 0 is none
        ({"max_minutes": "0", "cycles": "3"}, {"max_minutes": None, "cycles": 3}),
        ({"max_minutes": "0.0"}, {"max_minutes": None}),
        ({"max_minutes": "00"}, {"max_minutes": None}),
        ({"batch_size": "0"}, {"batch_size": None}),
        ({"batch_size": "7"}, {"batch_size": 7}),
        *(({"network": name}, {"network": name}) for name in ("host", "bridge", "github_network_0a1b", "my.net")),
        *(
            ({"image": name}, {"image": name})
            for name in ("build", "pleiades-maia:latest", "ghcr.io/me/maia@sha256:0a", "localhost:5000/a/b:c")
        ),
    ],
)
def test_what_an_input_means(inputs: dict[str, str], read_as: dict[str, object]) -> None:
    found = read(**inputs)
    assert {name: getattr(found, name) for name in read_as} == read_as


@pytest.mark.parametrize("name", ["command", "queries", "settings", "needs", "image", "batch_size", "queries_file"])
def test_what_is_no_utf8_is_a_wrong_input_that_is_named(name: str) -> None:
    """As Python hands on bytes of the environment that it cannot decode."""
    value = b"A=caf\xe9".decode("utf-8", "surrogateescape")
    with pytest.raises(UsageError, match=f"The input `{name.replace('_', '-')}` is not UTF-8 text"):
        read(**{"command": "plan", name: value})


def test_under_act_and_by_hand_each_plan_has_a_run_of_its_own() -> None:
    act = {"ACT": "true", "GITHUB_RUN_ID": "1", "GITHUB_RUN_ATTEMPT": "1"}
    runs = {read(environ=act, command="plan").run for _ in range(3)}
    assert len(runs) == 3
    assert all(re.fullmatch(r"1-1-\d{12}", run) for run in runs)
    assert read(environ=act, command="plan", run="1-1-5").run == "1-1-5"
    assert read(environ=act, command="hunter").run == "1-1"
    assert re.fullmatch(r"0-\d{12}", read(environ={"GITHUB_RUN_ID": ""}, command="plan").run)


def test_queries_of_both_inputs_are_joined_also_in_a_workspace_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "q.txt").write_bytes("\ufeffrust\n# no\ngo\n".encode())
    (tmp_path / "link").symlink_to("real")
    for workspace, name in (("real", "q.txt"), ("link", "q.txt"), ("link", str(tmp_path / "link" / "q.txt"))):
        inputs = read(tmp_path / workspace, command="plan", queries="lofi hip hop\ncafé", queries_file=name)
        assert inputs.queries == "lofi hip hop\ncafé\nrust\n# no\ngo\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.txt", "is not there"),
        ("../outside.txt", "outside the workspace"),
        ("link.txt", "outside the workspace"),
        ("linked/outside.txt", "outside the workspace"),
        ("loop.txt", "cannot be read"),
        (".", "is not a file"),
        ("latin1.txt", "it is not UTF-8 .* iconv -f ISO-8859-1"),
        ("utf16.txt", "it is UTF-16, not UTF-8. Convert it: iconv -f UTF-16 "),
        ("big.txt", "has more than 1,000,000 bytes"),
        ("a\0b", "cannot be read"),
    ],
)
def test_a_file_of_queries_is_inside_the_workspace_and_readable(tmp_path: Path, name: str, message: str) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (tmp_path / "outside.txt").write_text("secret")
    (workspace / "link.txt").symlink_to(tmp_path / "outside.txt")
    (workspace / "linked").symlink_to(tmp_path)
    (workspace / "loop.txt").symlink_to("loop.txt")
    (workspace / "latin1.txt").write_bytes(b"caf\xe9")
    (workspace / "utf16.txt").write_bytes("café".encode("utf-16"))
    (workspace / "big.txt").write_bytes(b"x" * 1_000_001)
    with pytest.raises(SettingError, match=message):
        read(workspace, command="plan", queries_file=name)


def test_a_wrong_input_ends_the_step_with_2_before_any_container(step: Step, docker: FakeDocker) -> None:
    done = step.here(shard="5/4")
    assert done.code == 2
    assert done.outputs == {"outcome": "failure", "exit-code": "2", "stats": "{}"}
    (error,) = done.annotations("error")
    assert error.startswith("Maia: wrong input: The input `shard` is '5/4'; it must be I/N")
    assert "'5/4'" in done.summary
    assert docker.calls == []
    (step.folder / "summary").unlink()
    assert step.here(command="<b>::error::x").summary.startswith("### Maia action: failed\n")
