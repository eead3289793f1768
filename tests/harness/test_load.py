"""The load run as people start it: small, stopped, and on a database that is not for it."""

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

from ..support.child_processes import ProcessOutput, child

pytest.importorskip("harness.load", reason="the load run is part of the checkout, not of the wheel")

from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from harness.driver.options import ROOT

pytestmark = pytest.mark.integration

PATIENCE = 240.0  # seconds; generous, since tests may share the machine
OF_THE_MACHINE = ("zone 1 starves", "memory is not flat")
"""What a busy machine, or a run of seconds, can be to blame for."""


@contextlib.asynccontextmanager
async def load(*options: str) -> AsyncIterator[ProcessOutput]:
    async with child(
        sys.executable, "-m", "harness.load", *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT, start_new_session=True,
        stop=signal.SIGTERM,
    ) as process:  # fmt: skip
        yield ProcessOutput(process, PATIENCE)


def alive(folder: Path) -> list[str]:
    """Processes that have to do with a folder: by their arguments or working directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            about = [(process / "cmdline").read_bytes(), os.fsencode((process / "cwd").readlink())]
            if any(os.fsencode(folder) in text for text in about):
                found.append(about[0].decode(errors="replace"))
    return found


async def figures(folder: Path, *options: str) -> tuple[dict[str, Any], str]:
    """What a run that ended well wrote, and said."""
    file = folder / "load.json"
    async with load("--json", str(file), "--folder", str(folder / "run"), *options) as running:
        code = await running.end()
    told: dict[str, Any] = json.loads(file.read_bytes())
    wrong = [line for line in told["problems"] if not line.startswith(OF_THE_MACHINE)]
    assert wrong == [], running.said
    assert code == (1 if told["problems"] else 0), running.said
    assert alive(folder) == []
    return told, running.said


async def test_eight_shards_do_nothing_twice_within_their_connections(tmp_path: Path) -> None:
    told, said = await figures(tmp_path, "--shards", "8", "--minutes", "0.25", "--videos", "3000", "--latency", "0.3")
    assert (told["hunters"], told["trackers"]) == (2, 6)
    assert told["done_twice"] == []
    assert told["searches"] > 0
    assert told["readings"] > 0
    assert told["videos_written"] > 0
    assert told["exit_codes"].keys() == {"0"}
    connections = told["connections"]
    assert 1 <= connections["of_a_shard"] <= connections["pool_size"] == 4
    assert connections["in_all"] <= connections["max_connections"] == 8 * 4 + 20
    for kind in ("videos claimed", "topics claimed", "videos written"):
        times = told["milliseconds"][kind]
        assert 0 < times["p50"] <= times["p99"] <= times["largest"]
    assert told["late_seconds"]["1"]["number"] > 0
    assert told["cores"].keys() == {"shards", "sandbox", "PostgreSQL"}
    assert told["wal_bytes"] > 0
    assert "work done twice" in said
    assert "zone 1 read late by" in said


async def test_claimers_are_simulated_on_a_database_that_is_named(empty_dsn: str, tmp_path: Path) -> None:
    told, _ = await figures(
        tmp_path, "--simulate", "16", "--minutes", "0.1", "--videos", "3000", "--latency", "0.3",
        "--database-url", empty_dsn,
    )  # fmt: skip
    assert told["simulated"] is True
    assert told["connections"]["of_a_shard"] == 1
    assert told["connections"]["in_all"] <= 16
    assert told["connections"]["max_connections"] is None
    assert told["readings"] > 0
    assert told["searches"] > 0


async def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    async with load(
        "--shards", "4", "--minutes", "10", "--videos", "1000", "--folder", str(tmp_path / "run")
    ) as running:
        await running.until("Trackers start")
        running.process.send_signal(signal.SIGINT)
        assert await running.end() == 130, running.said
    assert "Traceback" not in running.said
    assert alive(tmp_path) == []


async def test_a_database_in_use_is_left_alone(db: Database, dsn: str) -> None:
    await QueueDAO().add(["somebody's query"])
    async with load("--shards", "4", "--minutes", "0.1", "--database-url", dsn) as running:
        assert await running.end() == 1
    assert "holds videos or queries" in running.said
    assert "Traceback" not in running.said


async def test_the_help_teaches() -> None:
    async with load("--help") as running:
        assert await running.end() == 0
    for text in ("--shards", "--minutes", "--simulate", "--max-connections", "--json", "examples:"):
        assert text in running.said
