"""What the harness reads of a run: notes, logs and changes, and how it tells one process from another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("harness.chaos", reason="the harness is part of the checkout, not of the wheel")

from harness.chaos import gathering
from harness.chaos.record import Fault, Process, Record, Who

AT = "2026-11-22T08:00:00.5+00:00"
MARKED = """
import os
from harness.chaos import shard
shard._mark()
from atlas.db import connections
from maia.agents import session
print(connections.options("maia hunter 0/3")["server_settings"]["application_name"])
print(f"maia/{session.__version__} (hunter 0/3)")
"""


def entry(**more: Any) -> dict[str, Any]:
    return {
        "seq": 1, "at": AT, "schedule": AT, "endpoint": "search", "bucket": "search", "params": {"q": "cats"},
        "key": "abc", "project": "1", "status": 200, "reason": None, "fault": None, "ids": ["a"], "cost": 1,
        "counted": True, "agent": "maia/1.0.0#77 (hunter 0/3) gzip", **more,
    }  # fmt: skip


def row(**more: Any) -> dict[str, Any]:
    at = datetime(2026, 11, 22, 8, tzinfo=UTC)
    return {
        "id": 5, "at": at, "tx": 9, "began": at, "application": "maia hunter 0/3 #77", "relation": "videos", "key": "a",
        "op": "update", "old": json.dumps({"due_at": None}), "new": json.dumps({"due_at": AT, "zone": 2}), **more,
    }  # fmt: skip


def test_a_process_is_known_by_what_it_calls_itself() -> None:
    said = subprocess.run([sys.executable, "-c", MARKED], check=True, capture_output=True, text=True).stdout
    application, agent = said.splitlines()
    change, call = gathering._change(row(application=application)), gathering._call(entry(agent=agent), 1)
    assert change.who == call.who
    assert change.who.place == "hunter 0/3"
    assert change.who.pid not in (0, os.getpid())


@pytest.mark.parametrize(("name", "who"), [("maia janitor 0/1", Who("janitor 0/1")), ("atlas", Who("")), ("", Who(""))])
def test_others_are_told_from_the_harness_processes(name: str, who: Who) -> None:
    assert gathering._change(row(application=name)).who == who
    assert gathering._call(entry(agent="curl/8"), 1).who == Who("")


def test_times_are_read_as_times() -> None:
    change = gathering._change(row())
    assert change.new["due_at"] == datetime(2026, 11, 22, 8, 0, 0, 500_000, tzinfo=UTC)
    assert change.changes("due_at", "zone", "absences") == ["due_at", "zone"]
    assert gathering._change(row(op="insert", old=None)).old == {}


def test_a_spoilt_answer_is_none() -> None:
    assert gathering._call(entry(), 1).good
    assert gathering._call(entry(fault="empty-items", ids=[]), 1).good
    for broken in (entry(reason="cut", fault="cut"), entry(status=502), entry(status=0, reason="dropped")):
        assert not gathering._call(broken, 1).good


def test_a_result_file_that_is_no_object_has_no_value(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    for text in ("", "{", "[]", '"ok"'):
        file.write_text(text)
        assert gathering._result(file).value is None, text


def test_faults_strike_whom_they_meet() -> None:
    def at(second: int) -> datetime:
        return datetime(2026, 11, 22, 8, 0, second, tzinfo=UTC)

    process = Process("hunter 0/3", "hunter", 0, 77, at(10), at(20), 0)
    faults = [
        Fault(at(5), "restart", until=at(6)),
        Fault(at(8), "delay", until=at(11)),
        Fault(at(15), "cut", "hunter 1/3"),
        Fault(at(16), "cut", "hunter 0/3"),
        Fault(at(17), "kill", "hunter 0/3"),
        Fault(at(21), "restart", until=at(22)),
    ]
    struck = Record(faults=faults)
    assert struck.struck(process) == [faults[1], faults[3]]
    assert struck.struck(process, "kill") == [faults[4]]
