"""What `make test-clocks` runs: at which borders, which tests, and with which clock."""

from __future__ import annotations

import os
import sys
from datetime import timedelta

import pytest

from atlas.quota.buckets import PACIFIC, quota_reset, quota_start

from ..clocks import run as clocks
from ..support.child_processes import finished
from ..support.documents import CHECKOUT


def test_each_border_is_what_its_name_says() -> None:
    monday, leap, forward, midnight = clocks.BORDERS.values()
    assert (monday.weekday(), f"{monday:%m-%d %H:%M}", f"{leap:%m-%d %H:%M}") == (0, "01-01 00:00", "02-29 00:00")
    before, after = ((forward - step).astimezone(PACIFIC).utcoffset() for step in (timedelta(seconds=1), timedelta()))
    assert (before, after) == (timedelta(hours=-8), timedelta(hours=-7))
    assert (quota_start(midnight), quota_reset(midnight) - midnight) == (midnight, timedelta(hours=25))


@pytest.mark.parametrize("name", sorted({*clocks.DATE_TESTS, *clocks.QUOTA_TESTS}))
def test_the_tests_that_are_run_are_there(name: str) -> None:
    file, _, test = name.partition("::")
    assert f"def {test}" in (CHECKOUT / file).read_text(encoding="utf-8")


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
