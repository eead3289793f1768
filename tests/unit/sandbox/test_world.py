"""The seeded world, how it is searched and how its counts grow."""

import re
from collections import Counter, deque
from datetime import UTC, datetime
from random import Random

import pytest

from youtube_sandbox.catalogue import CEILING, Query, words
from youtube_sandbox.curves import STEP, Shape, ShapedCurve
from youtube_sandbox.ids import Scrambler, project_number
from youtube_sandbox.model import Video, iso_duration
from youtube_sandbox.themes import THEMES
from youtube_sandbox.world import SeededWorld

HOUR = 3600
DAY = 24 * HOUR
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC).timestamp()


def make(seed: int = 1) -> SeededWorld:
    return SeededWorld(seed=seed, begin=NOW - 5 * DAY)


def query(text: str, **options: object) -> Query:
    return Query(text=text, terms=Query.parse(text), **{"order": "date", **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world() -> SeededWorld:
    return make()


@pytest.fixture(scope="module")
def day(world: SeededWorld) -> list[Video]:
    """All videos of the last day."""
    return [video for shelf in world.shelves(NOW - DAY, NOW) for video in shelf.videos if video.published <= NOW]


def essence(video: Video) -> tuple[object, ...]:
    return video.id, video.channel.id, video.title, video.tags, video.published, video.deleted, video.counts(NOW)


def test_same_seed_and_time_give_the_same_world_whatever_was_asked_before(world: SeededWorld, day: list[Video]) -> None:
    world.search(query("music"), NOW)
    results = [[essence(video) for video in each.search(query("python"), NOW)] for each in (world, make())]
    assert results[0] == results[1] != []
    assert [essence(video) for video in make(seed=2).search(query("python"), NOW)] != results[0]
    found = SeededWorld(seed=1, begin=NOW + 30 * DAY).find_video(day[0].id, NOW + 31 * DAY)
    assert found is not None, "also one that is older than the world"
    assert essence(found) == essence(day[0])


def test_ids_look_like_youtubes_and_foreign_and_future_ones_are_unknown(world: SeededWorld, day: list[Video]) -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{11}", video.id) for video in day)
    assert all(re.fullmatch(r"UC[A-Za-z0-9_-]{22}", video.channel.id) for video in day)
    assert len({video.id for video in day}) == len(day)
    coming = Scrambler(1).encode(int(NOW // 3600) + 5, 0)
    for identifier in ("dQw4w9WgXcQ", coming, Scrambler(1).encode(10, 65_535), "short", "ünïcödé-ids", ""):
        assert world.video(identifier, NOW) is None
    assert world.video(day[0].id, day[0].published) is day[0]
    assert world.video(day[0].id, day[0].published - 1) is None, "nothing is found before it is published"


def test_scrambled_ids_are_one_to_one_and_project_numbers_stable() -> None:
    scrambler = Scrambler(7)
    places = [(slot, index) for slot in (0, 1, 500_000, 2**24 - 1) for index in (0, 1, 65_535)]
    identifiers = [scrambler.encode(*place) for place in places]
    assert len(set(identifiers)) == len(places)
    assert [scrambler.decode(identifier) for identifier in identifiers] == places
    assert project_number("994147049083") == "994147049083"
    assert re.fullmatch(r"\d{12}", project_number("demo"))
    assert project_number("demo") == project_number("demo") != project_number("demo-2")


def test_videos_go_on_being_published_about_as_many_in_a_week_as_were_asked_for(world: SeededWorld) -> None:
    for at in (NOW, NOW + 7 * DAY, NOW + 400 * DAY):
        found = world.search(query("", after=at - DAY), at)
        assert len(found) == CEILING
        assert all(at - DAY <= video.published <= at for video in found)
    small = SeededWorld(seed=1, begin=NOW - 7 * DAY, videos=1_400)
    assert 1_200 < sum(len(shelf.videos) for shelf in small.shelves(NOW - 7 * DAY, NOW - 1)) < 1_600


def test_search_by_date_is_newest_first_within_the_window_and_its_category(world: SeededWorld) -> None:
    after, before = NOW - 20 * HOUR, NOW - 3 * HOUR
    times = [video.published for video in world.search(query("tutorial", after=after, before=before), NOW)]
    assert times == sorted(times, reverse=True)
    assert after <= times[-1] <= times[0] <= before
    assert {video.category for video in world.search(query("", category=10, after=NOW - DAY), NOW)} == {10}


def test_search_matches_every_word_and_knows_alternatives_and_exclusions(world: SeededWorld) -> None:
    found = world.search(query("MINECRAFT  Survival"), NOW)
    assert found
    for video in found:
        assert {"minecraft", "survival"} <= set(words(" ".join((video.title, video.channel.title, *video.tags))))

    def ids(text: str) -> set[str]:
        return {video.id for video in world.search(query(text, after=NOW - DAY), NOW)}

    assert ids("bitcoin|ramen") == ids("bitcoin") | ids("ramen")
    assert ids("bitcoin")
    assert ids("ramen")
    assert ids("finance -money") < ids("finance")
    for text in ("!!!", "qwertyuiopasdfgh", "bitcoin qwertyuiopasdfgh"):
        assert world.search(query(text), NOW) == []


def test_relevance_is_another_order_of_the_same_results(world: SeededWorld) -> None:
    orders = ("date", "relevance")
    by_date, relevant = (world.search(query("news", order=order, after=NOW - DAY), NOW) for order in orders)
    assert relevant != by_date
    assert set(relevant) == set(by_date)
    assert {len(world.search(query("", order=order), NOW)) for order in orders} == {CEILING}


def test_a_deleted_video_is_gone_from_everywhere() -> None:
    here = make()
    video = here.search(query("python"), NOW)[0]
    assert here.delete(video.id, NOW)
    assert here.video(video.id, NOW) is None
    assert video not in here.search(query("python"), NOW)
    assert video not in here.uploads(video.channel.id, NOW)
    assert here.video(video.id, NOW - 1) is video
    assert not here.delete(video.id, NOW)


def test_some_videos_vanish_hide_likes_or_close_comments(world: SeededWorld) -> None:
    videos = [video for shelf in world.shelves(None, NOW) for video in shelf.videos]
    gone = [video for video in videos if video.deleted is not None]
    assert 0.015 < len(gone) / len(videos) < 0.05
    assert all(video.deleted > video.published for video in gone if video.deleted is not None)
    assert 0.02 < sum(video.counts(NOW).likes is None for video in videos) / len(videos) < 0.07
    assert 0.03 < sum(video.counts(NOW).comments is None for video in videos) / len(videos) < 0.10
    assert any(video.live(video.published) for video in videos)
    assert any(not video.tags for video in videos)


def test_tags_roll_a_snowball_from_one_theme_to_all_others_and_are_shared_unevenly(
    world: SeededWorld, day: list[Video]
) -> None:
    seen: set[str] = set()
    queue = deque(["chess opening", "python tutorial"])
    names = {theme.name for theme in THEMES}
    for _ in range(120):
        if not queue or names <= seen:
            break
        for video in world.search(query(queue.popleft(), after=NOW - 2 * DAY), NOW)[:50]:
            tags = {" ".join(tag.casefold().split()): None for tag in video.tags}
            queue += [tag for tag in tags if tag not in seen]
            seen.update(tags)
    assert names <= seen
    assert len(seen) > 300
    shared = Counter(tag.casefold() for video in day for tag in video.tags)
    assert shared.most_common(1)[0][1] > 60
    assert sum(amount == 1 for amount in shared.values()) > 100


def test_uploads_are_newest_first(world: SeededWorld, day: list[Video]) -> None:
    uploads = world.uploads(day[0].channel.id, NOW)
    times = [video.published for video in uploads]
    assert day[0] in uploads
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "P0D"), (5, "PT5S"), (60, "PT1M"), (3_600, "PT1H"), (3_725, "PT1H2M5S"), (86_400, "P1D"),
        (90_061, "P1DT1H1M1S"),
    ],
)  # fmt: skip
def test_durations_are_written_as_the_api_does(seconds: int, text: str) -> None:
    assert iso_duration(seconds) == text


PACES = {Shape.SLOW: 90.0, Shape.STEADY: 0.9, Shape.BURST: 8.0}


def curve(shape: Shape, likes: float | None = 0.05, comments: float | None = 0.005) -> ShapedCurve:
    return ShapedCurve(1_000_000.0, shape, 100_000.0, PACES[shape], 12345, likes, comments)


@pytest.mark.parametrize("shape", Shape)
def test_expected_views_start_at_zero_and_never_fall(shape: Shape) -> None:
    series = [curve(shape).expected(hours * HOUR) for hours in range(0, 24 * 40, 3)]
    assert series[0] == curve(shape).counts(0).views == 0
    assert series == sorted(series)
    assert series[-1] > 10_000
    noisy = [curve(shape).noisy(1_000_000 + hours * HOUR) for hours in range(-3, 24 * 70, 3)]
    assert noisy == sorted(noisy), "noise is on gains"
    assert noisy[0] == 0


def test_counts_stand_still_within_a_step_and_do_not_depend_on_what_was_asked_before() -> None:
    curve_ = curve(Shape.BURST)
    at = curve_.born + 40 * STEP
    assert curve_.counts(at) == curve_.counts(at + STEP - 1)
    assert curve_.counts(at) != curve_.counts(at + 6 * STEP)
    times = [curve_.born + hours * HOUR for hours in range(0, 24 * 90, 7)]
    fresh = [curve(Shape.BURST).counts(time) for time in times]
    assert [curve_.counts(time) for time in reversed(times)] == fresh[::-1]
    hidden = curve(Shape.STEADY, None, None).counts(1_000_000 + DAY)
    assert hidden.views > 0
    assert (hidden.likes, hidden.comments) == (None, None)


def test_draws_give_all_shapes_and_repeat_with_the_seed() -> None:
    def draw(seed: int) -> list[ShapedCurve]:
        rng = Random(seed)
        return [ShapedCurve.draw(rng, born=0, popularity=1, hide_likes=False, hide_comments=False) for _ in range(300)]

    assert draw(1) == draw(1) != draw(2)
    shapes = [one.shape for one in draw(1)]
    assert set(shapes) == set(Shape)
    assert shapes.count(Shape.BURST) < shapes.count(Shape.SLOW)
