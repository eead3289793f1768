"""The inputs: each wrong one is named, with what it may be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("action", reason="the action is part of the checkout, not of the wheel")

from action.errors import SettingError, UsageError
from action.inputs import Inputs

from ...support.action_step import FakeDocker, Step


def read(workspace: Path | None = None, environ: dict[str, str] | None = None, **inputs: str) -> Inputs:
    named = {f"MAIA_INPUT_{name.upper()}": value for name, value in inputs.items()}
    here = {"GITHUB_WORKSPACE": str(workspace)} if workspace else {}
    return Inputs.read({"GITHUB_RUN_ID": "4711", "GITHUB_RUN_ATTEMPT": "2", **here, **(environ or {}), **named})


def test_nothing_given_is_one_hunter() -> None:
    inputs = read()
    assert (inputs.command, inputs.agent, inputs.shard) == ("hunter", "hunter", "0/1")
    assert (inputs.wave, inputs.max_shards, inputs.migrate, inputs.fail_on_churn) == (1, 4, False, False)
    assert (inputs.batch_size, inputs.cycles, inputs.max_minutes, inputs.run) == (None, None, None, "4711-2")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("command", "foo", "`hunter`, `tracker`, `janitor`, `plan` or `verdict`"),
        ("command", "Hunter", "`hunter`"),
        ("shard", "5/4", "I/N with I from 0 to N-1"),
        ("shard", "4/4", "I/N"),
        ("shard", "1", "I/N"),
        ("shard", "-1/4", "I/N"),
        ("shard", "1/4; rm", "I/N"),
        ("batch_size", "-1", "a whole number from 0 on"),
        ("cycles", "0", "a whole number from 1 on"),
        ("batch_size", "ten", "a whole number"),
        ("batch_size", "1.5", "a whole number"),
        ("batch_size", "٣", "a whole number"),
        ("cycles", "-1", "a whole number"),
        ("max_minutes", "-1", "a number of minutes above 0"),
        ("max_minutes", "0.001", "a number of minutes above 0"),
        ("max_minutes", "nan", "a number of minutes"),
        ("max_minutes", "inf", "a number of minutes"),
        ("max_minutes", "long", "a number of minutes"),
        ("max_shards", "256", "a whole number from 1 to 255"),
        ("wave", "0", "a whole number"),
        ("run", "$(id)", "digits and hyphens"),
        ("run", "1-", "digits and hyphens"),
        ("run", "1" * 101, "digits and hyphens"),
        ("migrate", "yes", "`true` or `false`"),
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


def test_the_agent_of_a_plan_is_checked_and_that_of_a_shard_is_its_command() -> None:
    with pytest.raises(UsageError, match="`agent`"):
        read(command="plan", agent="archeologist")
    assert read(command="tracker", agent="hunter").agent == "tracker"


def test_cycles_and_minutes_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="`cycles` or `max-minutes`, not both"):
        read(cycles="2", max_minutes="5")
    assert read(cycles="1", max_minutes="5.50").max_minutes == "5.5"


@pytest.mark.parametrize("value", ["0", "0.0", "00"])
def test_no_minutes_are_the_cycles_as_in_the_workflows(value: str) -> None:
    assert read(max_minutes=value).max_minutes is None
    assert read(max_minutes=value, cycles="3").cycles == 3


def test_a_batch_of_none_is_the_agents_own_as_in_the_workflows() -> None:
    assert [read(batch_size=value).batch_size for value in ("", "0", "7")] == [None, None, 7]


@pytest.mark.parametrize("value", ["host", "bridge", "github_network_0a1b", "my.net"])
def test_networks_are_taken(value: str) -> None:
    assert read(network=value).network == value


@pytest.mark.parametrize(
    "value", ["build", "pleiades-maia:latest", "ghcr.io/me/maia@sha256:0a", "localhost:5000/a/b:c"]
)
def test_images_are_taken(value: str) -> None:
    assert read(image=value).image == value


@pytest.mark.parametrize("name", ["command", "queries", "settings", "needs", "image", "batch_size", "queries_file"])
def test_what_is_no_utf8_is_a_wrong_input_that_is_named(name: str) -> None:
    """As Python hands on bytes of the environment that it cannot decode."""
    value = b"A=caf\xe9".decode("utf-8", "surrogateescape")
    with pytest.raises(UsageError, match=f"The input `{name.replace('_', '-')}` is no text in UTF-8"):
        read(**{"command": "plan", name: value})


# ── the run's id ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_under_act_each_plan_has_a_run_of_its_own() -> None:
    act = {"ACT": "true", "GITHUB_RUN_ID": "1", "GITHUB_RUN_ATTEMPT": "1"}
    runs = {read(environ=act, command="plan").run for _ in range(3)}
    assert len(runs) == 3
    assert all(re.fullmatch(r"1-1-\d{12}", run) for run in runs)
    assert read(environ=act, command="plan", run="1-1-5").run == "1-1-5"
    assert read(environ=act, command="hunter").run == "1-1"


def test_by_hand_each_plan_has_a_run_of_its_own() -> None:
    assert re.fullmatch(r"0-\d{12}", read(environ={"GITHUB_RUN_ID": ""}, command="plan").run)


# ── queries ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_queries_of_both_inputs_are_joined(tmp_path: Path) -> None:
    (tmp_path / "queries.txt").write_bytes("\ufeffrust\n# no\ngo\n".encode())
    inputs = read(tmp_path, command="plan", queries="lofi hip hop\ncafé", queries_file="queries.txt")
    assert inputs.queries == "lofi hip hop\ncafé\nrust\n# no\ngo\n"


def test_queries_are_the_hunters() -> None:
    with pytest.raises(UsageError, match="are the hunter's"):
        read(command="plan", agent="tracker", queries="x")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.txt", "is not there"),
        ("../outside.txt", "outside the workspace"),
        ("link.txt", "outside the workspace"),
        ("linked/outside.txt", "outside the workspace"),
        ("loop.txt", "cannot be read"),
        (".", "is no file"),
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


def test_a_workspace_behind_a_link_is_a_workspace(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "q.txt").write_text("rust")
    (tmp_path / "link").symlink_to("real")
    assert read(tmp_path / "link", command="plan", queries_file="q.txt").queries == "rust"
    assert read(tmp_path / "link", command="plan", queries_file=str(tmp_path / "link" / "q.txt")).queries == "rust"


def test_a_wrong_input_ends_the_step_with_2_before_any_container(step: Step, docker: FakeDocker) -> None:
    done = step.here(shard="5/4")
    assert done.code == 2
    assert done.outputs == {"outcome": "failure", "exit-code": "2", "stats": "{}"}
    (error,) = done.annotations("error")
    assert error.startswith("Maia: wrong input: The input `shard` is '5/4'; it must be I/N")
    assert "'5/4'" in done.summary
    assert docker.calls == []


def test_a_wrong_command_is_no_command_of_ours_in_the_summary(step: Step) -> None:
    done = step.here(command="<b>::error::x")
    assert done.code == 2
    assert done.summary.startswith("### Maia action: failed\n")
