"""Curves in text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from atlas.adapters.growth import Point
from maia.commands.text_chart import text_chart

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def curve(*views: float) -> list[Point]:
    return [Point(NOON + timedelta(hours=hours), int(each)) for hours, each in enumerate(views)]


@pytest.mark.parametrize("views", [(), (5,)])
def test_less_than_two_readings_are_no_curve(views: tuple[int, ...]) -> None:
    assert text_chart(curve(*views)) == []


@pytest.mark.parametrize(
    ("views", "lines"),
    [
        (
            (0, 100, 200, 200),
            [
                "    200                   ▁▂▃▄▄▅▆▇██████████████",
                "                 ▁▂▃▄▅▅▆▇███████████████████████",
                "      0 ▁▂▃▄▅▅▆▇████████████████████████████████",
                "        2026-11-22T12:00Z      2026-11-22T15:00Z",
            ],
        ),
        ((5, 5), ["      5", "", "      5 " + "▁" * 40, "        2026-11-22T12:00Z      2026-11-22T13:00Z"]),
        (
            (10, 0, 10),
            [
                "     10 █▇▆▄▃▂▁                          ▁▂▃▄▆▇█",
                "        ████████▇▅▄▃▂▁            ▁▂▃▄▅▇████████",
                "      0 ██████████████▇▆▅▄▃▂▂▃▄▅▆▇██████████████",
                "        2026-11-22T12:00Z      2026-11-22T14:00Z",
            ],
        ),
    ],
)
def test_a_curve_reaches_from_its_lowest_to_its_highest_value(views: tuple[int, ...], lines: list[str]) -> None:
    assert text_chart(curve(*views), width=40, height=3) == lines


def test_columns_are_of_equal_time_however_the_readings_lie() -> None:
    (top, bottom, _) = text_chart(
        [Point(NOON, 0), Point(NOON + timedelta(hours=1), 8), Point(NOON + timedelta(hours=9), 8)], width=37, height=2
    )
    assert (top[8:].strip("▁▂▃▄▅▆▇ "), len(bottom)) == ("█" * 33, 8 + 37)
