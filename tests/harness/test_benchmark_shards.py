"""The benchmarks of several shards and of the start of a process, in small: they measure, and see what is wrong."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.documents import CHECKOUT

pytest.importorskip("harness.benchmarks", reason="the benchmarks are part of the checkout")

from harness.benchmarks import cores, first_call, fleet
from harness.benchmarks.rows import shards, start

pytestmark = pytest.mark.integration


def test_rows_6_and_7_measure(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "harness.benchmarks", "--rows", "6,7", "--quick", "--json", str(file)],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = json.loads(file.read_text())["lines"]
    one, two, tracker, hunter, modules = lines
    assert done.stderr == ""
    assert [line["number"] for line in lines] == [6, 6, 7, 7, 7]
    assert one["judged"] is None
    assert two["goal"]["least"] == 0.9
    assert two["limit"] <= 2 * one["figure"] * 1.001
    assert one["details"]["cores_used"][0] >= 0
    for line in (tracker, hunter):
        assert line["figure"] > 0
        assert line["limit"] > 0
        assert line["goal"]["most"] == 0.6
    assert modules["figure"] > modules["limit"]


def test_cpu_seconds_are_those_of_a_tree_of_processes() -> None:
    before, machine = cores.tree_seconds(os.getpid()), cores.machine_seconds()
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    below = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])"
    subprocess.run([sys.executable, "-c", below], check=True)
    # the system counts in hundredths, and cuts off what is less
    assert cores.tree_seconds(os.getpid()) - before >= 0.4
    assert cores.machine_seconds() - machine >= 0.4


def test_a_double_claim_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two shards say that they claimed 30 rows each, of 50 that were due and written."""

    class Held:
        async def fetch(self, statement: str) -> list[dict[str, int]]:
            return [{"count": 50, "n": 0}]

    monkeypatch.setattr(shards, "database", Held())
    work = fleet.Work("tracker", 50, 1, shards._WRITTEN["tracker"])
    good = fleet.Measured(1.0, 0.1, 0.0, 1.0, [{"targets": 20}, {"targets": 30}])
    asyncio.run(shards._no_double_claim(work, good, 50))
    bad = fleet.Measured(1.0, 0.1, 0.0, 1.0, [{"targets": 30}, {"targets": 30}])
    with pytest.raises(RuntimeError, match="50 were due, 60 claimed, 50 written"):
        asyncio.run(shards._no_double_claim(work, bad, 50))


async def test_a_process_that_makes_no_call_or_fails_is_said(tmp_path: Path) -> None:
    given = {"HOME": str(tmp_path)}
    async with first_call.doorbell() as bell:
        with pytest.raises(RuntimeError, match="made no call"):
            await first_call.first_call(bell, ["-c", "pass"], given)
        with pytest.raises(RuntimeError, match="ended with 3"):
            await first_call.first_call(bell, ["-c", "raise SystemExit(3)"], given)


async def test_an_unused_import_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def modules(command: list[str], given: dict[str, str]) -> set[str]:
        return {"asyncio", "prefect.client"}

    async def nothing(agent: str) -> None:
        pass

    monkeypatch.setattr(start, "modules_of", modules)
    monkeypatch.setattr(start, "give_work", nothing)
    with pytest.raises(RuntimeError, match="imports what it does not use: prefect"):
        await start._imports({})
