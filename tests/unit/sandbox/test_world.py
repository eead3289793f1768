"""The seeded world and how it is searched."""

import re
from collections import Counter, deque
from datetime import UTC, datetime

import pytest

from youtube_sandbox.catalogue import CEILING, Query, words
from youtube_sandbox.ids import Scrambler, project_number
from youtube_sandbox.model import Video, iso_duration
from youtube_sandbox.themes import THEMES
from youtube_sandbox.world import SeededWorld

DAY = 86_400
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC).timestamp()


def world(seed: int = 1, **options: int) -> SeededWorld:
    return SeededWorld(seed=seed, begin=NOW - 5 * DAY, **options)


def query(text: str, **options: object) -> Query:
    return Query(text=text, terms=Query.parse(text), **{"order": "date", **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def shared_world() -> SeededWorld:
    return world()


@pytest.fixture(scope="module")
def day(shared_world: SeededWorld) -> list[Video]:
    """All videos of the last day."""
    return [video for shelf in shared_world.shelves(NOW - DAY, NOW) for video in shelf.videos if video.published <= NOW]


def essence(video: Video) -> tuple[object, ...]:
    return video.id, video.channel.id, video.title, video.tags, video.published, video.deleted, video.counts(NOW)


def test_same_seed_and_time_give_the_same_world_whatever_was_asked_before() -> None:
    asked_much = world()
    asked_much.search(query("music"), NOW)
    results = [[essence(video) for video in each.search(query("python"), NOW)] for each in (asked_much, world())]
    assert results[0] == results[1] != []
    assert [essence(video) for video in world(seed=2).search(query("python"), NOW)] != results[0]


def test_ids_look_like_youtubes_and_are_unique(day: list[Video]) -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{11}", video.id) for video in day)
    assert all(re.fullmatch(r"UC[A-Za-z0-9_-]{22}", video.channel.id) for video in day)
    assert len({video.id for video in day}) == len(day)


def test_an_id_is_found_again_by_another_process_even_when_it_is_older_than_the_world(day: list[Video]) -> None:
    later = SeededWorld(seed=1, begin=NOW + 30 * DAY)
    found = later.find_video(day[0].id, NOW + 31 * DAY)
    assert found is not None
    assert essence(found) == essence(day[0])


def test_foreign_and_future_ids_are_unknown() -> None:
    here = world()
    coming = Scrambler(1).encode(int(NOW // 3600) + 5, 0)
    for identifier in ("dQw4w9WgXcQ", coming, Scrambler(1).encode(10, 65_535), "short", "ünïcödé-ids", ""):
        assert here.video(identifier, NOW) is None


def test_scrambled_ids_are_one_to_one() -> None:
    scrambler = Scrambler(7)
    places = [(slot, index) for slot in (0, 1, 500_000, 2**24 - 1) for index in (0, 1, 65_535)]
    identifiers = [scrambler.encode(*place) for place in places]
    assert len(set(identifiers)) == len(places)
    assert [scrambler.decode(identifier) for identifier in identifiers] == places


def test_videos_go_on_being_published_as_time_passes(shared_world: SeededWorld) -> None:
    for later in (0, 7 * DAY, 400 * DAY):
        at = NOW + later
        found = shared_world.search(query("", after=at - DAY), at)
        assert len(found) == CEILING
        assert all(at - DAY <= video.published <= at for video in found)


def test_a_week_brings_about_as_many_videos_as_were_asked_for() -> None:
    small = SeededWorld(seed=1, begin=NOW - 7 * DAY, videos=1_400)
    amount = sum(len(shelf.videos) for shelf in small.shelves(NOW - 7 * DAY, NOW - 1))
    assert 1_200 < amount < 1_600


def test_nothing_is_found_before_it_is_published(shared_world: SeededWorld, day: list[Video]) -> None:
    newest = day[0]
    assert shared_world.video(newest.id, newest.published) is newest
    assert shared_world.video(newest.id, newest.published - 1) is None


def test_search_by_date_is_newest_first_within_the_window(shared_world: SeededWorld) -> None:
    after, before = NOW - 20 * 3600, NOW - 3 * 3600
    found = shared_world.search(query("tutorial", after=after, before=before), NOW)
    times = [video.published for video in found]
    assert times == sorted(times, reverse=True)
    assert after <= times[-1] <= times[0] <= before


def test_search_matches_every_word_in_tags_title_or_channel_whatever_their_case(shared_world: SeededWorld) -> None:
    found = shared_world.search(query("MINECRAFT  Survival"), NOW)
    assert found
    for video in found:
        assert {"minecraft", "survival"} <= set(words(" ".join((video.title, video.channel.title, *video.tags))))


def test_search_knows_alternatives_and_exclusions(shared_world: SeededWorld) -> None:
    window = {"after": NOW - DAY}
    either = {video.id for video in shared_world.search(query("bitcoin|ramen", **window), NOW)}
    one = {video.id for video in shared_world.search(query("bitcoin", **window), NOW)}
    other = {video.id for video in shared_world.search(query("ramen", **window), NOW)}
    assert either == one | other
    assert one
    assert other
    plain = {video.id for video in shared_world.search(query("finance", **window), NOW)}
    without = {video.id for video in shared_world.search(query("finance -money", **window), NOW)}
    assert without < plain


@pytest.mark.parametrize("text", ["!!!", "qwertyuiopasdfgh", "bitcoin qwertyuiopasdfgh"])
def test_a_search_without_matches_finds_nothing(shared_world: SeededWorld, text: str) -> None:
    assert shared_world.search(query(text), NOW) == []


@pytest.mark.parametrize("order", ["date", "relevance"])
def test_search_of_the_whole_world_ends_at_the_ceiling(shared_world: SeededWorld, order: str) -> None:
    assert len(shared_world.search(query("", order=order), NOW)) == CEILING


def test_relevance_is_another_order_of_the_same_results(shared_world: SeededWorld) -> None:
    by_date, relevant = (
        shared_world.search(query("news", order=order, after=NOW - DAY), NOW) for order in ("date", "relevance")
    )
    assert relevant != by_date
    assert set(relevant) == set(by_date)


def test_a_category_filters(shared_world: SeededWorld) -> None:
    assert {v.category for v in shared_world.search(query("", category=10, after=NOW - DAY), NOW)} == {10}


def test_a_deleted_video_is_gone_from_everywhere() -> None:
    here = world()
    video = here.search(query("python"), NOW)[0]
    assert here.delete(video.id, NOW)
    assert here.video(video.id, NOW) is None
    assert video not in here.search(query("python"), NOW)
    assert video not in here.uploads(video.channel.id, NOW)
    assert here.video(video.id, NOW - 1) is video
    assert not here.delete(video.id, NOW)


def test_some_videos_vanish_hide_likes_or_close_comments(shared_world: SeededWorld) -> None:
    videos = [video for shelf in shared_world.shelves(None, NOW) for video in shelf.videos]
    gone = [video for video in videos if video.deleted is not None]
    assert 0.015 < len(gone) / len(videos) < 0.05
    assert all(video.deleted > video.published for video in gone if video.deleted is not None)
    assert 0.02 < sum(video.counts(NOW).likes is None for video in videos) / len(videos) < 0.07
    assert 0.03 < sum(video.counts(NOW).comments is None for video in videos) / len(videos) < 0.10
    assert any(video.live(video.published) for video in videos)
    assert any(not video.tags for video in videos)


def test_tags_roll_a_snowball_from_one_theme_to_all_others(shared_world: SeededWorld) -> None:
    seen: set[str] = set()
    queue = deque(["chess opening", "python tutorial"])
    names = {theme.name for theme in THEMES}
    for _ in range(120):
        if not queue or names <= seen:
            break
        for video in shared_world.search(query(queue.popleft(), after=NOW - 2 * DAY), NOW)[:50]:
            for tag in video.tags:
                tidy = " ".join(tag.casefold().split())
                if tidy not in seen:
                    seen.add(tidy)
                    queue.append(tidy)
    assert names <= seen
    assert len(seen) > 300


def test_tags_are_shared_unevenly(day: list[Video]) -> None:
    tags = Counter(tag.casefold() for video in day for tag in video.tags)
    assert tags.most_common(1)[0][1] > 60
    assert sum(amount == 1 for amount in tags.values()) > 100


def test_uploads_are_newest_first(shared_world: SeededWorld, day: list[Video]) -> None:
    uploads = shared_world.uploads(day[0].channel.id, NOW)
    times = [video.published for video in uploads]
    assert day[0] in uploads
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "P0D"),
        (5, "PT5S"),
        (60, "PT1M"),
        (3_600, "PT1H"),
        (3_725, "PT1H2M5S"),
        (86_400, "P1D"),
        (90_061, "P1DT1H1M1S"),
    ],
)
def test_durations_are_written_as_the_api_does(seconds: int, text: str) -> None:
    assert iso_duration(seconds) == text


def test_project_numbers_are_stable_and_numbers_stay() -> None:
    assert project_number("994147049083") == "994147049083"
    assert re.fullmatch(r"\d{12}", project_number("demo"))
    assert project_number("demo") == project_number("demo") != project_number("demo-2")
