"""The check for work that two shards did."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("harness.driver", reason="the harness is part of the checkout, not of the wheel")

from harness.driver.audit import Call, audit, read_calls

T0 = datetime(2026, 11, 22, 8, tzinfo=UTC)
ONE, TWO = "hunter 0/2", "hunter 1/2"


def search(shard: str, after: str, before: str, *, token: str = "", status: int = 200, q: str = "cats") -> Call:
    """A search of a window, from a day of November and its hour to another; the hour is 0 where it is not given."""
    (begin, at), (end, until) = ((*text.split(" "), "00")[:2] for text in (after, before))
    params = {
        "q": q,
        "publishedAfter": f"2026-11-{begin}T{at}:00:00Z",
        "publishedBefore": f"2026-11-{end}T{until}:00:00Z",
    }
    return Call(T0, "search", "search", status, shard, params | ({"pageToken": token} if token else {}))


def reading(shard: str, hours: float, *ids: str, status: int = 200) -> Call:
    at = T0 + timedelta(hours=hours)
    return Call(at, "batchGetStats", "batchGetStats", status, shard, {"id": ",".join(ids)})


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ([search(ONE, "08", "20"), search(TWO, "08", "20", token="p2")], 0),
        ([search(ONE, "08", "20"), search(TWO, "08", "12")], 0),
        ([search(ONE, "08", "20"), search(ONE, "19 23", "22")], 0),
        ([search(ONE, "08", "20"), search(TWO, "08", "20", q="dogs")], 0),
        ([search(ONE, "08", "20", status=503), search(TWO, "08", "20")], 0),
        ([search(ONE, "08", "20"), search(TWO, "08", "20")], 1),
        ([search(ONE, "08", "20", token="p2"), search(TWO, "08", "20", token="p2")], 1),
        ([search(ONE, "08", "20"), search(TWO, "08", "21")], 1),
        ([search(ONE, "08", "20"), search(TWO, "19 22", "22")], 1),
        ([search(ONE, "08", "20"), search(TWO, "10", "12")], 1),
    ],
    ids=[
        "next page", "next slice", "next round", "other topic", "refused", "same page", "same later page", "same begin",
        "overlaps by more than the lag", "lies within",
    ],
)  # fmt: skip
def test_a_topic_that_two_shards_searched_at_once_is_found(calls: list[Call], found: int) -> None:
    lines = audit(calls, {}).searched_twice
    assert len(lines) == found
    assert all(ONE in line and TWO in line for line in lines)


@pytest.mark.parametrize(
    ("age_hours", "allowed_hours"), [(2, 1), (23.5, 1), (30, 6), (7 * 24 - 1, 6), (7 * 24, 24), (400, 24)]
)
def test_a_video_may_be_read_again_after_its_zones_interval_and_not_before(
    age_hours: float, allowed_hours: float
) -> None:
    births = {"v": T0 - timedelta(hours=age_hours)}
    first = reading("tracker 0/2", 0, "v")
    assert not audit([first, reading("tracker 1/2", allowed_hours, "v")], births).read_twice
    assert len(audit([first, reading("tracker 1/2", allowed_hours - 0.01, "v")], births).read_twice) == 1


def test_a_reading_that_failed_or_is_of_a_video_that_is_gone_counts_for_nothing() -> None:
    failed = reading("tracker 0/2", 0, "v", "gone", status=500)
    calls = [failed, reading("tracker 1/2", 0.1, "v", "gone"), reading("tracker 1/2", 0.2, "gone")]
    found = audit(calls, {"v": T0})
    assert (found.readings, list(found.read_twice)) == (3, [])


def test_the_sandboxs_log_is_read_up_to_a_half_written_line(tmp_path: Path) -> None:
    entry = {
        "seq": 1, "at": "2026-11-22T08:00:00+00:00", "schedule": "2026-11-23T08:00:00+00:00", "endpoint": "videos",
        "bucket": "units", "params": {"id": "a,b"}, "status": 200, "agent": "maia/1.0.0 (tracker 1/2) gzip",
    }  # fmt: skip
    path = tmp_path / "calls.jsonl"
    assert read_calls(path) == []
    lines = [json.dumps(entry | {"agent": agent}) + "\n" for agent in (entry["agent"], "curl", "curl")]
    path.write_text("".join(lines)[:-9])
    call, other = read_calls(path)
    assert (call.shard, call.ids, call.at) == ("tracker 1/2", ["a", "b"], datetime(2026, 11, 23, 8, tzinfo=UTC))
    assert (other.shard, other.bucket) == ("", "units")
