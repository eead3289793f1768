"""The sparklines of the report's page."""

from __future__ import annotations

import pytest

from maia.report.collect import thinned
from maia.report.columns import SLOTS
from maia.report.payload import POINTS
from maia.report.sparklines import heights

from ..support.report_examples import make_videos


@pytest.mark.parametrize(
    ("minutes", "views", "line"),
    [
        ([], [], None),
        ([5], [10], None),
        ([5, 5], [10, 20], None),  # of one minute
        ([0, 240], [0, 1_000], [7] * 24),
        ([0, 240], [1_000, 0], [0] * 24),
        ([0, 120, 240], [0, 0, 900], [0] * 12 + [7] * 12),
        ([0, 120, 240], [0, 700, 800], [7] * 12 + [1] * 12),
        # half of the last part is before the second reading
        ([0, 235, 240], [0, 10**9, 10**9 + 1], [7] * 23 + [4]),
        ([0, 120, 240], [0, 10**9, 10**9 + 1], [7] * 12 + [1] * 12),  # little is more than nothing
        ([0, 80, 160, 240], [0, 800, 400, 800], [7] * 8 + [0] * 8 + [4] * 8),
        ([0, 1, 2, 2, 24], [0, 1, 2, 2, 24], [7] * 24),
    ],
)
def test_gains_in_equal_parts_of_the_time(minutes: list[int], views: list[int], line: list[int] | None) -> None:
    found = heights(minutes, views)
    assert (found if found is None else list(found)) == line


def test_more_readings_than_slots_lose_no_gain() -> None:
    minutes = list(range(0, 24 * 60, 7))
    burst = heights(minutes, [0 if at < 700 else 5_000 for at in minutes])
    assert burst is not None
    assert max(burst) == 7
    assert sum(height > 0 for height in burst) <= 2
    assert len(burst) == SLOTS


def test_a_long_curve_is_thinned_to_its_first_last_and_evenly_chosen_points() -> None:
    points = next(make_videos(1)).curve * 40
    kept = thinned(points)
    assert len(kept) == POINTS < len(points)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert thinned(points[:POINTS]) == points[:POINTS]
