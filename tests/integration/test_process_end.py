"""How an agent's process ends without an engine: code, result file, one line, and its clean-up done."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from maia.runtime.shutdown import CLEANUP_SECONDS, GRACE_SECONDS

from ..support import example_agent
from ..support.child_processes import ProcessOutput, child
from ..support.ignored_signals import ignoring

pytestmark = [pytest.mark.integration, pytest.mark.wheel]

SHORT = 0.5  # seconds of grace


@contextlib.asynccontextmanager
async def agent(scenario: str, folder: Path, grace: float = GRACE_SECONDS) -> AsyncIterator[ProcessOutput]:
    command = (sys.executable, "-X", "dev", example_agent.__file__, scenario, folder / "result.json", str(grace))
    with (folder / "stderr").open("wb") as errors:
        async with child(*command, stdout=asyncio.subprocess.PIPE, stderr=errors) as process:
            yield ProcessOutput(process)


def result(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return loaded


@pytest.mark.parametrize(
    ("scenario", "code", "outcome", "said", "stats"),
    [
        ("fine", 0, "ok", "working\nreleased done=3\n", {"cycles": 1, "done": 3}),
        ("churn", 75, "churn", "saw the shutdown\nreleased done=1\n", {"cycles": 1, "done": 1}),
        ("stray-churn", 75, "churn", "cleaned up\nreleased done=0\n", {"cycles": 1, "done": 0}),
        ("stuck-thread", 0, "ok", "working\nreleased done=3\n", {"cycles": 1, "done": 3}),
    ],
)
async def test_a_process_ends_with_its_code_and_a_result(
    tmp_path: Path, scenario: str, code: int, outcome: str, said: str, stats: dict[str, int]
) -> None:
    async with agent(scenario, tmp_path) as process:
        assert await process.end() == code, (tmp_path / "stderr").read_text()
    assert process.said == said
    written = result(tmp_path)
    assert (written["outcome"], written["exit_code"], written["stats"]) == (outcome, code, stats)
    assert ("error" in written) == (code != 0)


@pytest.mark.parametrize(
    ("signals", "code"),
    [((signal.SIGTERM,), 143), ((signal.SIGINT,), 130), ((signal.SIGINT, signal.SIGTERM), 143)],
    ids=["SIGTERM", "SIGINT", "a script's background job, which ignores SIGINT"],
)
async def test_a_signal_lets_the_work_in_flight_finish(
    tmp_path: Path, signals: tuple[signal.Signals, ...], code: int
) -> None:
    with ignoring(*signals[:-1]):
        async with agent("finishes", tmp_path) as process:
            await process.until("working")
            for each in signals:
                process.process.send_signal(each)
            assert await process.end() == code, (tmp_path / "stderr").read_text()
    assert process.said == "working\nsaw the shutdown\nsaw the shutdown\nreleased done=2\n"
    assert result(tmp_path)["outcome"] == "cancelled"


@pytest.mark.parametrize(("scenario", "released"), [("hangs", "released done=0\n"), ("deaf", "")])
async def test_what_ignores_the_signal_is_cut_off_when_the_grace_is_over(
    tmp_path: Path, scenario: str, released: str
) -> None:
    assert GRACE_SECONDS + 2 * CLEANUP_SECONDS < 7.5, "GitHub kills then, docker after 10"
    async with agent(scenario, tmp_path, SHORT) as process:
        await process.until("working")
        signalled_at = time.monotonic()
        process.process.send_signal(signal.SIGTERM)
        assert await process.end() == 143
        assert SHORT <= time.monotonic() - signalled_at < SHORT + 2 * CLEANUP_SECONDS + 2
    assert process.said.endswith(released)
    assert result(tmp_path)["outcome"] == "cancelled"


async def test_a_second_signal_ends_at_once_with_a_result(tmp_path: Path) -> None:
    async with agent("hangs", tmp_path, 60) as process:
        await process.until("working")
        process.process.send_signal(signal.SIGINT)
        await process.until("saw the shutdown")
        process.process.send_signal(signal.SIGTERM)
        assert await process.end() == 143
    written = result(tmp_path)
    assert (written["outcome"], written["exit_code"]) == ("cancelled", 143)
    assert "released" not in process.said
