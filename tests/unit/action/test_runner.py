"""Speaking to the runner: outputs, summary, groups, and what is printed by hand."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from action.runner import LARGEST_SUMMARY, Runner

from ...support.action_step import commands, outputs_of

HOSTED = {"GITHUB_ACTIONS": "true"}


@pytest.fixture
def out() -> io.BytesIO:
    return io.BytesIO()


def test_foreign_output_is_between_lines_that_stop_commands(out: io.BytesIO) -> None:
    runner = Runner(HOSTED, out)
    with runner.foreign() as write:
        write(b"::error::title of a video\n##[add-mask]x\n::set-env name=PATH::x\nno end of line ::")
        runner.line("Stopping the container.")  # as from another thread
    with pytest.raises(ValueError, match="x"), runner.foreign() as write:
        write(b"half a line")
        raise ValueError("x")
    runner.notice("Maia", "done")
    log = out.getvalue().decode()
    assert commands(log) == [("notice", {"title": "Maia"}, "done")]
    assert "no end of line ::\nStopping the container.\n" in log
    tokens = {line.rpartition("::")[2] for line in log.splitlines() if "stop-commands" in line}
    assert [len(token) for token in tokens] == [32, 32], "the word that resumes commands cannot be guessed"


def test_outputs_are_appended_as_the_runner_reads_them(tmp_path: Path, out: io.BytesIO) -> None:
    path = tmp_path / "output"
    path.write_text("earlier=1\n")
    runner = Runner({**HOSTED, "GITHUB_OUTPUT": str(path)}, out)
    runner.output("outcome", "ok")
    runner.output("text", "a\nshards=[9]\nb")
    assert outputs_of(path.read_text()) == {"earlier": "1", "outcome": "ok", "text": "a shards=[9] b"}
    Runner({**HOSTED, "GITHUB_OUTPUT": str(tmp_path)}, out).output("outcome", "ok")
    assert [name for name, _, _ in commands(out.getvalue().decode())] == ["warning"], "a file that cannot be written"


def test_a_summary_is_cut_below_githubs_limit(tmp_path: Path, out: io.BytesIO) -> None:
    path = tmp_path / "summary"
    runner = Runner({**HOSTED, "GITHUB_STEP_SUMMARY": str(path)}, out)
    runner.summary("# Maia\n")
    runner.summary("é" * 79 + "\n" + ("é" * 79 + "\n") * 20_000)
    runner.summary("more\n")
    assert len(path.read_bytes()) < LARGEST_SUMMARY + 200 < 2**20
    assert path.read_text().startswith("# Maia\né")
    assert "The rest is left out: too long." in path.read_text()


def test_a_log_without_a_reader_stops_nothing(tmp_path: Path) -> None:
    tried: list[object] = []

    class Closed(io.BytesIO):
        def write(self, data: object) -> int:
            tried.append(data)
            raise BrokenPipeError

    runner = Runner({**HOSTED, "GITHUB_OUTPUT": str(tmp_path / "output")}, Closed())
    runner.line("x")
    with runner.foreign() as write:
        write(b"y")
    runner.output("outcome", "ok")
    assert [data for data in tried if data in (b"x\n", b"y")] == [b"x\n", b"y"]
    assert (tmp_path / "output").read_text() == "outcome=ok\n"


def test_by_hand_all_is_readable_and_no_secret_is_printed(out: io.BytesIO) -> None:
    runner = Runner({}, out)
    runner.mask("secret")
    with runner.group("docker pull x"), runner.foreign() as write:
        write(b"pulled")
    runner.error("Maia: config (78)", "100 % wrong\nWhat to do: fix it.")
    runner.output("outcome", "config")
    runner.summary("### Maia\n")
    assert out.getvalue().decode().splitlines() == [
        "docker pull x ...",
        "pulled",
        "error: Maia: config (78): 100 % wrong What to do: fix it.",
        "output outcome: config",
        "### Maia",
    ]
