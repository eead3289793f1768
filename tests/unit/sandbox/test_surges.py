"""Test what happens on top of the curves of a seeded world, and the habits of its counters."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from youtube_sandbox.curves import STEP
from youtube_sandbox.model import Video
from youtube_sandbox.surges import FACTOR, FLOOR, SHORTEST, BreakoutShape, Decoy, WorldShapes
from youtube_sandbox.world import SeededWorld

HOUR, DAY = 3600, 86_400
BEGIN = 1_790_000_000 // DAY * DAY
LOOK = 900


def make(shapes: WorldShapes | None = None, seed: int = 1) -> SeededWorld:
    return SeededWorld(seed=seed, begin=BEGIN, channels=1_000, videos=8_000, shapes=shapes)


def published(world: SeededWorld, days: float) -> list[Video]:
    first = BEGIN // HOUR
    return [video for slot in range(first, first + int(days * 24)) for video in world.videos_of(slot)]


@pytest.fixture(scope="module")
def videos() -> list[Video]:
    return published(make(), 14)


def longest_excess(video: Video, begin: float, end: float) -> float:
    """Return for how many seconds without a break a video grows as a breakout does, before noise."""
    longest = since = 0.0
    at = begin
    while at < end:
        at += LOOK
        gain = 4 * (video.curve.smooth(at + 450) - video.curve.smooth(at - 450))
        expected = video.curve.usual(at)
        if gain >= 0.98 * FACTOR * expected and gain >= 0.98 * FLOOR:
            since = since or at
            longest = max(longest, at - since + LOOK)
        else:
            since = 0
    return longest


def test_the_truth_is_what_the_curve_does_before_noise(videos: list[Video]) -> None:
    breakouts = [(video, each) for video in videos for each in video.curve.breakouts]
    assert {each.shape for _, each in breakouts} == set(BreakoutShape)
    for video, each in breakouts:
        assert video.published <= each.start < each.end
        assert longest_excess(video, each.start, each.end + HOUR) >= SHORTEST
    for video in videos:
        for decoy in video.curve.decoys:
            if not video.curve.breakouts:
                assert longest_excess(video, decoy.start, decoy.end + DAY) < SHORTEST
    quiet = [video for video in videos if not video.curve.surges][::200]
    assert all(longest_excess(video, video.published, BEGIN + 14 * DAY) == 0 for video in quiet)


def test_one_or_two_videos_in_a_hundred_break_out_in_14_days_and_decoys_are_as_frequent(videos: list[Video]) -> None:
    end = BEGIN + 14 * DAY
    breakouts = [(video, each) for video in videos for each in video.curve.breakouts if each.start < end]
    decoys = [each for video in videos for each in video.curve.decoys if each.start < end]
    assert 0.01 < len({video.id for video, _ in breakouts}) / len(videos) < 0.02
    assert len(decoys) > len(breakouts) * 0.9
    assert {each.kind for each in decoys} == set(Decoy)
    hours = sorted((each.end - each.start) / HOUR for _, each in breakouts)
    assert hours[0] >= 6
    assert 16 < hours[len(hours) // 2] < 36
    assert hours[-1] > 5 * 24, "durations are heavy-tailed"
    ages = sorted((each.start - video.published) / HOUR for video, each in breakouts)
    assert ages[0] < 1
    assert ages[-1] > 10 * 24


def test_a_world_has_the_shapes_it_is_made_with_and_the_rest_is_the_same(videos: list[Video]) -> None:
    some = WorldShapes(frozenset({BreakoutShape.SHARP}), frozenset({Decoy.HOUR_BURST}))
    few = published(make(some), 3)
    assert {each.shape for video in few for each in video.curve.breakouts} == {BreakoutShape.SHARP}
    assert {each.kind for video in few for each in video.curve.decoys} == {Decoy.HOUR_BURST}
    none = published(make(WorldShapes(frozenset(), frozenset())), 1)
    assert not any(video.curve.surges for video in none)
    for video, other in zip(none, videos, strict=False):
        assert (video.id, video.title, video.published) == (other.id, other.title, other.published)
        if not other.curve.surges:
            assert video.curve == other.curve


def test_a_channel_breaks_out_as_a_whole(videos: list[Video]) -> None:
    starts: dict[tuple[str, float], int] = {}
    for video in videos:
        for each in video.curve.breakouts:
            if each.shape is BreakoutShape.CHANNEL_WIDE:
                key = (video.channel.id, each.start)
                starts[key] = starts.get(key, 0) + 1
    assert max(starts.values()) > 1


def shown(video: Video, begin: float, days: float) -> Iterator[tuple[int, int]]:
    return itertools.pairwise(video.counts(begin + step * STEP).views for step in range(int(days * DAY / STEP)))


@pytest.mark.parametrize(
    ("low", "high", "falls", "flats"),
    [(10, 1_000, (0.08, 0.12), (0.5, 0.7)), (100_000, 1e12, (0.006, 0.010), (0.0, 0.1))],
)
def test_counts_fall_and_stand_still_as_often_as_published(
    videos: list[Video], low: float, high: float, falls: tuple[float, float], flats: tuple[float, float]
) -> None:
    chosen = [video for video in videos if low <= video.counts(video.published + 2 * DAY).views < high][:60]
    steps = [step for video in chosen for step in shown(video, video.published + 2 * DAY, 3)]
    assert len(steps) > 10_000
    assert falls[0] < sum(after < before for before, after in steps) / len(steps) < falls[1]
    assert flats[0] <= sum(after == before for before, after in steps) / len(steps) < flats[1]


def test_a_fall_is_small(videos: list[Video]) -> None:
    for video in videos[:50]:
        series = [video.counts(video.published + 5 * DAY + step * STEP).views for step in range(96)]
        assert all(after >= before * 0.97 - 2 for before, after in itertools.pairwise(series) if after < before)


def test_noise_on_gains_is_heavy_tailed(videos: list[Video]) -> None:
    ratios = []
    for video in videos[:1_000]:
        for hour in range(24, 48):
            at = video.published + hour * HOUR
            expected = video.curve.smooth(at + HOUR) - video.curve.smooth(at)
            if expected > 5:
                ratios.append((video.curve.noisy(at + HOUR) - video.curve.noisy(at)) / expected)
    ratios.sort()
    middle, rare = ratios[len(ratios) // 2], ratios[len(ratios) * 999 // 1000]
    assert 0.7 < middle < 1.1
    assert rare > 8 * middle, "a normal tail would reach three times"


def test_evenings_have_more_views_than_nights(videos: list[Video]) -> None:
    gains = [0.0] * 24
    for video in videos[:400]:
        for hour in range(48, 96):
            at = (video.published // HOUR + hour) * HOUR
            gains[at // HOUR % 24] += (video.curve.noisy(at + HOUR) - video.curve.noisy(at)) / video.curve.scale
    assert sum(gains[18:23]) > 1.3 * sum(gains[6:11])


@pytest.mark.parametrize("seed", range(1, 9))
def test_on_one_day_all_counts_step_up_of_shorts_only_or_of_all(seed: int) -> None:
    world = make(WorldShapes(frozenset(), frozenset()), seed)
    step = world.counting_step(BEGIN)
    slot = int(step.at // HOUR) - 24 * 5
    for video in [video for each in range(slot, slot + 4) for video in world.videos_of(each)]:
        unchanged = replace(video.curve, counting=())
        before, after = step.at, step.at + DAY / 2
        assert video.counts(before) == unchanged.counts(before)
        concerned = not step.shorts_only or "#shorts" in video.title
        factor = step.factor if concerned else 1
        assert video.counts(after).views == pytest.approx(unchanged.counts(after).views * factor, abs=2)
