"""The sandbox's daily allowances; what each bucket's end looks like is in integration/test_sandbox_api.py."""

from datetime import UTC, datetime

import pytest

from atlas.quota.buckets import Bucket
from youtube_sandbox.quota import QuotaBook, day_start

NOON = datetime(2026, 11, 22, 20, tzinfo=UTC)  # noon in California


def test_midnight_pacific_brings_a_new_day() -> None:
    book = QuotaBook({Bucket.SEARCH: 1})
    before, after = datetime(2026, 11, 23, 7, 59, tzinfo=UTC), datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert book.charge("1", Bucket.SEARCH, before)
    assert not book.charge("1", Bucket.SEARCH, before)
    assert book.charge("1", Bucket.SEARCH, after)
    assert book.table() == {"1": {"2026-11-22": {"search": 1}, "2026-11-23": {"search": 1}}}


@pytest.mark.parametrize(
    ("at", "start"),
    [
        (NOON, datetime(2026, 11, 22, 8, tzinfo=UTC)),
        (datetime(2026, 7, 1, 6, tzinfo=UTC), datetime(2026, 6, 30, 7, tzinfo=UTC)),
        (datetime(2026, 11, 1, 20, tzinfo=UTC), datetime(2026, 11, 1, 7, tzinfo=UTC)),  # a day of 25 hours
    ],
)
def test_the_day_starts_at_midnight_pacific(at: datetime, start: datetime) -> None:
    assert day_start(at) == start
