"""A chart in the summary is one that Mermaid draws: GitHub shows an error in place of any other."""

from __future__ import annotations

import pytest

from action.chart import bars

from ...support.mermaid import drawn


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([123456.7, 99.994, 12.345, 0.5], [123457, 99.99, 12.35, 0.5]),
        ([2, -7.5, 0], [2, 0, 0]),
        ([9.2e18, 1e-9], [9.2e18, 0]),
        ([0.004, 3], [0, 3]),
        ([10**9] * 30, [10**9] * 20),
    ],
)
def test_numbers_are_plain_and_not_below_0(values: list[float], shown: list[float]) -> None:
    labels = [str(place) for place in range(1, len(values) + 1)]
    chart = drawn(bars("Views per hour", labels, "views per hour", values))
    assert chart.values == pytest.approx(shown, rel=1e-12)
    assert chart.labels == labels[:20]
    assert chart.end == max(shown)


def test_the_axis_ends_where_it_is_asked_to() -> None:
    assert drawn(bars("Read in time", ["zone 1"], "% of videos", [40], most=100)).end == 100


@pytest.mark.parametrize("values", [[], [0], [-1, 0.004]])
def test_where_nothing_is_above_0_there_is_no_chart(values: list[float]) -> None:
    assert bars("Views", [str(place) for place, _ in enumerate(values)], "views", values) == ""


@pytest.mark.parametrize(
    "words", [("a]", "b", "c"), ('a"', "b", "c"), ("a", "b\n", "c"), ("a", "b", "fév"), ("", "b", "c"), ("a", "`", "c")]
)
def test_other_words_are_refused(words: tuple[str, str, str]) -> None:
    title, axis, label = words
    with pytest.raises(ValueError, match="not a chart"):
        bars(title, [label], axis, [1])
    with pytest.raises(ValueError, match="not a chart"):
        bars("a", [], "b", [1])
