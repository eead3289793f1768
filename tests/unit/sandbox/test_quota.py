"""The sandbox's daily allowances; what each bucket's end looks like is in integration/test_sandbox_api.py."""

from datetime import UTC, datetime

import pytest

from youtube_sandbox.quota import day_start

NOON = datetime(2026, 11, 22, 20, tzinfo=UTC)  # noon in California


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
