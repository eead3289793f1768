"""The fault harness itself: a run without faults, one of a mutant, and one that is stopped. .ci/run has a whole one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ..support.child_processes import child, finished

pytest.importorskip("harness.chaos", reason="the fault harness is part of the checkout, not of the wheel")

from harness.driver.options import ROOT

pytestmark = pytest.mark.integration

PATIENCE = 300.0  # seconds: only a defect lasts so long, even on a busy machine


@contextlib.asynccontextmanager
async def harness(folder: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The harness with one Hunter, one Tracker and one Janitor."""
    async with child(
        sys.executable, "-m", "harness.chaos", "--folder", str(folder / "run"), "--json", str(folder / "report.json"),
        "--hunters", "1", "--trackers", "1", "--seed", "5", *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT, start_new_session=True,
        stop=signal.SIGTERM,
    ) as process:  # fmt: skip
        yield process


async def run(folder: Path, *options: str) -> tuple[int, str, dict[str, Any]]:
    """Exit code, output and report."""
    async with harness(folder, *options) as process, asyncio.timeout(PATIENCE):
        said, _ = await process.communicate()
    report = folder / "report.json"
    assert report.exists(), said.decode()
    assert process.returncode is not None
    return process.returncode, said.decode(), json.loads(report.read_bytes())


def alive(folder: Path) -> list[str]:
    """Processes that have the folder in their arguments or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            about = [(process / name).read_bytes() for name in ("cmdline", "environ")]
            if process.name != str(os.getpid()) and any(os.fsencode(folder) in text for text in about):
                found.append(about[0].decode(errors="replace"))
    return found


async def test_without_faults_every_call_is_counted(tmp_path: Path) -> None:
    code, said, report = await run(tmp_path, "--calm")
    assert code == 0, said
    assert set(report["codes"]) == {"0"}
    assert report["kills"] == {}
    assert {name: number for name, number in report["faults"].items() if number} == {}
    assert all(check["looked_at"] for check in report["checks"])
    assert alive(tmp_path) == []


async def test_a_mutant_is_found_by_the_check_that_has_to_find_it() -> None:
    code, said, _ = await finished(
        sys.executable, "-m", "harness.chaos.trial", "counted-twice", "--kills", "1", "--faults", "0",
        timeout=PATIENCE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT,
    )  # fmt: skip
    assert code == 0, said.decode()
    assert b"calls are counted" in said


async def test_stopped_it_leaves_nothing_running(tmp_path: Path) -> None:
    async with harness(tmp_path) as process, asyncio.timeout(PATIENCE):
        assert process.stdout is not None
        said = b""
        while b" killed, " not in said:
            line = await process.stdout.readline()
            assert line, said.decode()
            said += line
        assert said.startswith(b"seed 5;")
        process.send_signal(signal.SIGINT)
        said = await process.stdout.read()
        assert await process.wait() == 130
    assert b"nothing is left running" in said
    assert alive(tmp_path) == []


async def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    async with harness(tmp_path) as process, asyncio.timeout(PATIENCE):
        said, _ = await process.communicate()
    assert process.returncode == 1
    assert b"holds no run of this harness" in said
    assert (folder / "thesis.txt").read_text() == "mine"
