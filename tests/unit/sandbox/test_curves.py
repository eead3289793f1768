"""How the sandbox's counts grow."""

import itertools
from random import Random

import pytest

from youtube_sandbox.curves import STEP, Curve, Shape

HOUR = 3600
DAY = 24 * HOUR


def curve(shape: Shape, **changes: float) -> Curve:
    values: dict[str, object] = {
        "born": 1_000_000.0,
        "shape": shape,
        "scale": 100_000.0,
        "pace": {Shape.SLOW: 90.0, Shape.STEADY: 0.9, Shape.BURST: 8.0, Shape.VIRAL: 3.0}[shape],
        "turn": 40.0,
        "salt": 12345,
        "like_ratio": 0.05,
        "comment_ratio": 0.005,
    }
    return Curve(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", Shape)
def test_expected_views_start_at_zero_and_never_fall(shape: Shape) -> None:
    curve_ = curve(shape)
    series = [curve_.expected(hours * HOUR) for hours in range(0, 24 * 40, 3)]
    assert series[0] == 0
    assert series == sorted(series)
    assert series[-1] > 10_000


def test_a_viral_video_rises_late_and_a_burst_at_once() -> None:
    def share_of_first_day(shape: Shape) -> float:
        return curve(shape).expected(DAY) / curve(shape).expected(20 * DAY)

    assert share_of_first_day(Shape.VIRAL) < 0.05
    assert share_of_first_day(Shape.BURST) > 0.6


def test_counts_are_the_same_each_time_and_hold_still_within_a_step() -> None:
    curve_ = curve(Shape.BURST)
    at = curve_.born + 40 * STEP
    assert curve_.counts(at) == curve_.counts(at) == curve_.counts(at + STEP - 1)
    assert curve_.counts(at) != curve_.counts(at + 6 * STEP)


def test_shown_views_fall_now_and_then_but_only_slightly() -> None:
    curve_ = curve(Shape.SLOW)
    shown = [curve_.counts(curve_.born + 20 * DAY + step * STEP).views for step in range(400)]
    falls = [(before, after) for before, after in itertools.pairwise(shown) if after < before]
    assert 20 < len(falls) < 120
    assert all(after > before * 0.99 for before, after in falls)


def test_hidden_counts_are_none_and_views_never_are() -> None:
    counts = curve(Shape.STEADY, like_ratio=None, comment_ratio=None).counts(1_000_000 + DAY)  # type: ignore[arg-type]
    assert counts.views > 0
    assert counts.likes is None
    assert counts.comments is None


def test_before_its_publication_a_video_has_no_views() -> None:
    assert curve(Shape.BURST).counts(0).views == 0


def test_draws_give_all_shapes_and_repeat_with_the_seed() -> None:
    def draw(seed: int) -> list[Curve]:
        rng = Random(seed)
        return [Curve.draw(rng, born=0, popularity=1, hide_likes=False, hide_comments=False) for _ in range(300)]

    assert draw(1) == draw(1) != draw(2)
    shapes = [one.shape for one in draw(1)]
    assert set(shapes) == set(Shape)
    assert shapes.count(Shape.VIRAL) < shapes.count(Shape.BURST) < shapes.count(Shape.SLOW)
