"""The fault harness itself: a run without faults, one of a mutant, and one that is stopped. .ci/run has a whole one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ..support.child_processes import ProcessOutput, alive, child

pytest.importorskip("harness.chaos", reason="the fault harness is part of the checkout, not of the wheel")

from harness.driver.options import ROOT

pytestmark = pytest.mark.integration

PATIENCE = 300.0  # seconds: only a defect lasts so long, even on a busy machine


@contextlib.asynccontextmanager
async def harness(folder: Path, *options: str) -> AsyncIterator[ProcessOutput]:
    """The harness with one Hunter, one Tracker and one Janitor."""
    async with child(
        sys.executable, "-m", "harness.chaos", "--folder", str(folder / "run"), "--json", str(folder / "report.json"),
        "--hunters", "1", "--trackers", "1", "--seed", "5", *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT, start_new_session=True,
        stop=signal.SIGTERM,
    ) as process:  # fmt: skip
        yield ProcessOutput(process, PATIENCE)
    assert alive(folder) == []


async def test_without_faults_every_call_is_counted(tmp_path: Path) -> None:
    async with harness(tmp_path, "--calm") as running:
        assert await running.end() == 0, running.said
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert set(report["codes"]) == {"0"}
    assert report["kills"] == {}
    assert not any(report["faults"].values())
    assert all(check["looked_at"] for check in report["checks"])


async def test_a_mutant_is_found_by_the_check_that_has_to_find_it() -> None:
    async with child(
        sys.executable, "-m", "harness.chaos.trial", "counted-twice", "--kills", "1", "--faults", "0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT,
    ) as process:  # fmt: skip
        running = ProcessOutput(process, PATIENCE)
        assert await running.end() == 0, running.said
    assert "calls are counted" in running.said


async def test_stopped_it_leaves_nothing_running(tmp_path: Path) -> None:
    async with harness(tmp_path) as running:
        await running.until(" killed, ")
        running.process.send_signal(signal.SIGINT)
        assert await running.end() == 130
    assert running.said.startswith("seed 5;")
    assert "nothing is left running" in running.said


async def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    async with harness(tmp_path) as running:
        assert await running.end() == 1
    assert "holds no run of this harness" in running.said
    assert (folder / "thesis.txt").read_text() == "mine"
