"""How the demo follows the sandbox's log."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("demo", reason="the demo is part of the checkout, not of the wheel")

from harness.driver.calls import CallFile, spent

ENTRY = {
    "seq": 1, "at": "2026-11-22T08:00:00+00:00", "schedule": "2026-11-23T08:00:00+00:00", "endpoint": "videos",
    "bucket": "units", "params": {"id": "a,b"}, "status": 200, "agent": "maia/1.0.0 (tracker 1/2) gzip",
}  # fmt: skip


def test_a_line_that_is_half_written_is_read_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    file = CallFile(path)
    assert file.read() == []
    first, second = (json.dumps(ENTRY) + "\n").encode(), (json.dumps(ENTRY | {"status": 429}) + "\n").encode()
    path.write_bytes(first + second[:30])
    [call] = file.read()
    assert (call.shard, call.ids, call.at) == ("tracker 1/2", ["a", "b"], datetime(2026, 11, 23, 8, tzinfo=UTC))
    with path.open("ab") as log:
        log.write(second[30:])
    assert [call.status for call in file.read()] == [200, 429]
    assert [call.status for call in file.read()] == [200, 429]


def test_calls_are_counted_by_bucket_and_shard(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    entries = [ENTRY, ENTRY | {"agent": "curl"}, ENTRY | {"endpoint": "search", "bucket": "search", "params": {}}]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    calls = CallFile(path).read()
    assert spent(calls) == {"units": 2, "search": 1}
    assert spent(calls, "tracker 1/2") == {"units": 1, "search": 1}
