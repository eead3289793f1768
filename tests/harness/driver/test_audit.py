"""The demo's check for work that two shards did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("demo", reason="the demo is part of the checkout, not of the wheel")

from harness.driver.audit import audit
from harness.driver.calls import Call

T0 = datetime(2026, 11, 22, 8, tzinfo=UTC)
ONE, TWO = "hunter 0/2", "hunter 1/2"


def search(shard: str, after: str, before: str, *, token: str = "", status: int = 200, q: str = "cats") -> Call:
    """A search of a window, from a day of November and its hour to another; the hour is 0 where it is not given."""
    (begin, at), (end, until) = ((*text.split(" "), "00")[:2] for text in (after, before))
    window = {"publishedAfter": f"2026-11-{begin}T{at}:00:00Z", "publishedBefore": f"2026-11-{end}T{until}:00:00Z"}
    params = {"q": q} | window
    return Call(T0, "search", "search", status, shard, params | ({"pageToken": token} if token else {}))


def reading(shard: str, hours: float, *ids: str, status: int = 200) -> Call:
    at = T0 + timedelta(hours=hours)
    return Call(at, "batchGetStats", "batchGetStats", status, shard, {"id": ",".join(ids)})


def test_a_round_of_pages_and_the_next_round_are_no_double_work() -> None:
    calls = [
        search(ONE, "08", "20"),
        search(TWO, "08", "20", token="p2"),
        search(TWO, "08", "12"),  # another slice of it
        search(ONE, "19 23", "22"),  # the next one reaches back for an hour
        search(ONE, "08", "20", q="dogs"),
    ]
    found = audit(calls, {})
    assert (found.searches, list(found.searched_twice)) == (5, [])


@pytest.mark.parametrize(
    "second",
    [search(TWO, "08", "20"), search(TWO, "08", "21"), search(TWO, "19 22", "22"), search(TWO, "10", "12")],
    ids=["same page", "same begin", "overlaps by more than the lag", "lies within"],
)
def test_a_topic_that_two_shards_searched_at_once_is_found(second: Call) -> None:
    [line] = audit([search(ONE, "08", "20"), second], {}).searched_twice
    assert ONE in line
    assert TWO in line


def test_the_same_later_page_asked_twice_is_found_but_not_a_refused_try() -> None:
    first, again = search(ONE, "08", "20", token="p2"), search(TWO, "08", "20", token="p2")
    assert len(audit([first, again], {}).searched_twice) == 1
    assert not audit([search(ONE, "08", "20", token="p2", status=503), again], {}).searched_twice


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
    births = {"v": T0}
    failed = reading("tracker 0/2", 0, "v", "gone", status=500)
    found = audit([failed, reading("tracker 1/2", 0.1, "v", "gone"), reading("tracker 1/2", 0.2, "gone")], births)
    assert (found.readings, list(found.read_twice)) == (3, [])


def test_videos_that_two_searches_found_at_once_are_told_apart_from_double_work() -> None:
    calls = [Call(T0, "videos", "units", 200, shard, {"id": "a,b"}) for shard in (ONE, TWO, "tracker 0/1")]
    found = audit(calls, {"a": T0, "b": T0})
    assert found.both_found == 2
    assert not found.read_twice
