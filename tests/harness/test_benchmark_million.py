"""The long benchmark in small: it measures, and sees what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.documents import CHECKOUT

pytest.importorskip("harness.benchmarks", reason="the benchmarks are part of the checkout")

from harness.benchmarks import cores
from harness.benchmarks.long import shard, steady
from harness.benchmarks.rows import million

pytestmark = pytest.mark.integration


def test_rows_9_11_and_12_measure(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "harness.benchmarks", "--long", "--quick", "--json", str(file)],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    lines = json.loads(file.read_text())["lines"]
    assert [line["number"] for line in lines] == [9, 9, 11, *[12] * 7]
    memory, most, minutes, size, log, dead, first, later_log, later, table = lines
    assert most["figure"] >= memory["figure"] > 20
    assert memory["details"]["early"]["updates"] < memory["details"]["late"]["updates"]
    assert minutes["figure"] > minutes["limit"]
    assert set(minutes["details"]["cpu"]) == {"shard", "database", "api"}
    assert size["figure"] > 50
    assert log["figure"] > log["limit"] > 0
    assert dead["figure"] > 0
    assert log["details"]["halves"]["update"]["hot"] == 0
    assert 0 <= first["figure"] <= 100
    assert 0 <= later["figure"] <= 100
    assert later_log["figure"] > 0
    assert table["details"]["updates"] > 0
    assert table["details"]["looks"]


def _look(seconds: float, size: int) -> steady.Look:
    return steady.Look(seconds, size, 0, 0, 0, 0, 0, vacuuming=False)


def test_a_table_that_goes_on_growing_is_seen() -> None:
    looks = [_look(second, min(second, 40)) for second in range(61)]
    assert [steady.largest(looks, third) for third in range(3)] == [20, 40, 40]
    looks = [_look(second, second) for second in range(61)]
    assert [steady.largest(looks, third) for third in range(3)] == [20, 40, 60]


async def test_a_video_that_was_missed_or_written_twice_is_seen() -> None:
    class Told:
        async def fetchrow(self, statement: str, *, timeout: float) -> dict[str, int]:
            return {"written": 100, "videos": 99}

    with pytest.raises(RuntimeError, match="100 snapshots of 99 videos; 100 of as many are right"):
        await million._each_once(Told(), 100)


async def test_a_shard_that_fails_says_why(tmp_path: Path) -> None:
    class Nothing:
        async def fetchval(self, statement: str) -> int:
            return 0

    given = {"VAULT_PROVIDER": "off", "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    with pytest.raises(RuntimeError, match=r"(?s)ended with 78.*YOUTUBE_API_KEY_POOL_JSON"):
        await shard.Tracker([], given, tmp_path / "log").run(Nothing())


def test_the_memory_and_the_cores_of_a_process_are_read() -> None:
    memory = shard._memory(os.getpid())
    assert 10 < memory["resident"] <= memory["highest"]
    alone = cores.cpu_of(os.getpid())
    assert alone > 0
    assert cores.parent_of(os.getpid()) == os.getppid()
    assert cores.tree_seconds(os.getpid()) >= alone
