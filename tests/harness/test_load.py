"""The load run as people start it: small, stopped, and on a database that is not for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ..support.child_processes import ProcessOutput, alive, child

pytest.importorskip("harness.load", reason="the load run is part of the checkout, not of the wheel")

from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from harness.driver.options import ROOT

pytestmark = pytest.mark.integration

PATIENCE = 240.0  # seconds; generous, since tests may share the machine
OF_THE_MACHINE = ("zone 1 starves", "memory is not flat")
"""What a busy machine, or a run of seconds, can be to blame for."""


@contextlib.asynccontextmanager
async def load(folder: Path, *options: str) -> AsyncIterator[ProcessOutput]:
    async with child(
        sys.executable, "-m", "harness.load", "--folder", str(folder / "run"), *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT, start_new_session=True,
        stop=signal.SIGTERM,
    ) as process:  # fmt: skip
        yield ProcessOutput(process, PATIENCE)
    assert alive(folder) == []


async def figures(folder: Path, *options: str) -> tuple[dict[str, Any], str]:
    """Return what a run that ended well wrote and printed."""
    file = folder / "load.json"
    async with load(folder, "--json", str(file), *options) as running:
        code = await running.end()
    found: dict[str, Any] = json.loads(file.read_bytes())
    wrong = [line for line in found["problems"] if not line.startswith(OF_THE_MACHINE)]
    assert wrong == [], running.said
    assert code == (1 if found["problems"] else 0), running.said
    assert found["searches"] > 0
    assert found["readings"] > 0
    return found, running.said


async def test_eight_shards_do_nothing_twice_within_their_connections(tmp_path: Path) -> None:
    found, output = await figures(
        tmp_path, "--shards", "8", "--minutes", "0.15", "--videos", "3000", "--latency", "0.3"
    )
    assert (found["hunters"], found["trackers"], found["done_twice"]) == (2, 6, [])
    assert found["videos_written"] > 0
    assert found["exit_codes"].keys() == {"0"}
    connections = found["connections"]
    assert 1 <= connections["of_a_shard"] <= connections["pool_size"] == 4
    assert connections["in_all"] <= connections["max_connections"] == 8 * 4 + 20
    for kind in ("videos claimed", "topics claimed", "videos written"):
        times = found["milliseconds"][kind]
        assert 0 < times["p50"] <= times["p99"] <= times["largest"]
    assert found["late_seconds"]["1"]["number"] > 0
    assert found["cores"].keys() == {"shards", "sandbox", "PostgreSQL"}
    assert found["wal_bytes"] > 0
    assert "work done twice" in output
    assert "zone 1 read late by" in output


async def test_claimers_are_simulated_on_a_database_that_is_named(empty_dsn: str, tmp_path: Path) -> None:
    found, _ = await figures(
        tmp_path, "--simulate", "16", "--minutes", "0.1", "--videos", "3000", "--latency", "0.3",
        "--database-url", empty_dsn,
    )  # fmt: skip
    assert found["simulated"] is True
    assert found["connections"]["of_a_shard"] == 1
    assert found["connections"]["in_all"] <= 16
    assert found["connections"]["max_connections"] is None


async def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    async with load(tmp_path, "--shards", "4", "--minutes", "10", "--videos", "1000") as running:
        await running.until("Trackers start")
        running.process.send_signal(signal.SIGINT)
        assert await running.end() == 130, running.said
    assert "Traceback" not in running.said


async def test_a_database_in_use_is_left_alone(db: Database, dsn: str, tmp_path: Path) -> None:
    await QueueDAO().add(["somebody's query"])
    async with load(tmp_path, "--shards", "4", "--minutes", "0.1", "--database-url", dsn) as running:
        assert await running.end() == 1
    assert "holds videos or queries" in running.said
    assert "Traceback" not in running.said
