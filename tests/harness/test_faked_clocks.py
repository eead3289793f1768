"""What `make test-clocks` runs: at which borders, and with which clock."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from atlas.quota.buckets import PACIFIC, quota_reset, quota_start

from ..clocks import run as clocks
from ..support.child_processes import finished

SECOND = timedelta(seconds=1)


def changes_by(hours: int) -> Callable[[datetime], bool]:
    """Whether Pacific clocks change by so much at a moment."""

    def change(at: datetime) -> bool:
        before, after = ((at - SECOND).astimezone(PACIFIC).utcoffset(), at.astimezone(PACIFIC).utcoffset())
        assert before is not None
        assert after is not None
        return after - before == timedelta(hours=hours)

    return change


IS: dict[str, Callable[[datetime], bool]] = {
    "a Monday that begins a year": lambda at: (at.weekday(), at.month, at.day, at.hour, at.minute) == (0, 1, 1, 0, 0),
    "29 February": lambda at: (at.month, at.day, at.hour, at.minute) == (2, 29, 0, 0),
    "the end of a month": lambda at: (at.day, at.hour, at.minute) == (1, 0, 0) and at.month != 1,
    "Pacific clocks go forward": changes_by(1),
    "Pacific clocks go back": changes_by(-1),
    "Pacific midnight before 25 hours": lambda at: (
        quota_start(at) == at and quota_reset(at) - at == timedelta(hours=25)
    ),
}


@pytest.mark.parametrize("name", clocks.BORDERS)
def test_each_border_is_what_its_name_says(name: str) -> None:
    assert IS[name](clocks.BORDERS[name])
    assert not IS[name](clocks.BORDERS[name] + timedelta(days=1))


@pytest.mark.parametrize("name", clocks.DATE_TESTS)
def test_the_tests_that_are_run_are_there(name: str) -> None:
    assert (Path(__file__).parents[2] / name).exists()


@pytest.mark.skipif("FAKETIME" in os.environ, reason="the clock of this run is faked")
@pytest.mark.skipif(
    not clocks.libraries(), reason="libfaketime is not installed (Debian, Ubuntu: apt install faketime)"
)
async def test_a_process_starts_just_before_the_border_and_can_sleep() -> None:
    border = clocks.BORDERS["29 February"]
    code = "import time; began = time.monotonic(); time.sleep(0.05); print(time.time(), time.monotonic() - began)"
    ended, out, err = await finished(sys.executable, "-c", code, env=clocks.environment(border))
    assert (ended, err) == (0, b"")
    at, slept = map(float, out.split())
    assert border.timestamp() - clocks.LEAD - 1 <= at < border.timestamp() + 300
    assert 0.05 <= slept < 60
