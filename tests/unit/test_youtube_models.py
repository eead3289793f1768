"""Resources are read leniently: only the id counts, and nothing odd in a field ever costs the item."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from atlas import policy
from atlas.models.parsing import MAX_COUNT, clean_text, parse_count, parse_duration, parse_time, usable_id
from atlas.models.youtube import SearchItem, Video, VideoStats


def a_video(**sections: Any) -> dict[str, Any]:
    return {
        "kind": "youtube#video",
        "id": "dQ_-0000001",
        "snippet": {
            "publishedAt": "2026-11-20T10:00:00Z",
            "channelId": "UC_channel-0000000000001",
            "channelTitle": "A channel",
            "title": "Salt &amp; pepper",
            "description": "What it is about.",
            "tags": ["one", "two words"],
            "categoryId": "22",
            "liveBroadcastContent": "none",
            "defaultLanguage": "en",
        },
        "contentDetails": {"duration": "PT1H4M13S"},
        "statistics": {"viewCount": "18446744073709551615", "likeCount": "34", "commentCount": "0"},
        "aNewPart": {"of": ["the", "API"]},
    } | sections


def test_a_video_is_read_whole() -> None:
    resource = a_video()
    video = Video.from_resource(resource)

    assert video == Video(
        id="dQ_-0000001",
        channel_id="UC_channel-0000000000001",
        channel_title="A channel",
        title="Salt &amp; pepper",  # videos.list escapes nothing: this is what the title says
        published_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
        tags=["one", "two words"],
        category_id=22,
        duration=timedelta(hours=1, minutes=4, seconds=13),
        views=None,  # beyond PostgreSQL's bigint
        likes=34,
        comments=0,
        raw=resource,
    )
    assert video.raw is resource
    assert not video.partial


@pytest.mark.parametrize("id_", [None, "", 7, [], {}, "a b", "a,b", "a\n", "ü", "x" * 300, "\0"])
@pytest.mark.parametrize("model", [Video, VideoStats, SearchItem])
def test_without_a_usable_id_there_is_no_item(model: type[Video], id_: Any) -> None:
    for resource in ({"id": id_}, {"id": {"videoId": id_}}, {}):
        with pytest.raises(ValueError, match="usable id"):
            model.from_resource(resource)


@pytest.mark.parametrize("resource", [None, [], "text", 3])
@pytest.mark.parametrize("model", [Video, VideoStats, SearchItem])
def test_what_is_no_resource_at_all_is_refused(model: type[Video], resource: Any) -> None:
    with pytest.raises(ValueError, match="usable id"):
        model.from_resource(resource)


def test_a_search_result_becomes_a_partial_video() -> None:
    resource = {
        "id": {"kind": "youtube#video", "videoId": "a"},
        "snippet": {
            "publishTime": "2026-11-20T10:00:00Z",
            "channelId": "UC1",
            "channelTitle": "Pots &amp; pans",
            "title": "&quot;Salt&quot; &amp; pepper &#39;26",
            "description": "5 &lt; 6",
            "liveBroadcastContent": "upcoming",
        },
    }

    video = SearchItem.from_resource(resource).to_video()

    # search.list escapes the title, and nothing but the title
    assert video == Video(
        id="a",
        channel_id="UC1",
        channel_title="Pots &amp; pans",
        title='"Salt" & pepper \'26',
        published_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
        partial=True,
        raw=resource,
    )


@pytest.mark.parametrize(
    ("details", "duration"),
    [
        ({"durationMillis": "253120", "duration": "PT4M13S"}, timedelta(milliseconds=253120)),
        ({"durationMillis": 253120}, timedelta(milliseconds=253120)),
        ({"durationMillis": "0", "duration": "PT4M13S"}, timedelta()),
        ({"durationMillis": "-5", "duration": "253.12s"}, timedelta(milliseconds=253120)),
        ({"durationMillis": str(MAX_COUNT)}, None),
        ({"duration": "P0D"}, timedelta()),
        ({}, None),
    ],
)
def test_stats_know_the_duration(details: dict[str, Any], duration: timedelta | None) -> None:
    resource = {
        "id": "a",
        "snippet": {"publishTime": "2026-11-20T10:00:00Z"},
        "statistics": {"viewCount": "7"},
        "contentDetails": details,
    }

    assert VideoStats.from_resource(resource) == VideoStats(
        id="a", published_at=datetime(2026, 11, 20, 10, tzinfo=UTC), views=7, duration=duration
    )


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("0", 0),
        ("1200", 1200),
        (7, 7),
        (str(MAX_COUNT), MAX_COUNT),
        (MAX_COUNT, MAX_COUNT),
        (str(MAX_COUNT + 1), None),
        (MAX_COUNT + 1, None),
        ("-1", None),
        (-1, None),
        ("1.5", None),
        (1.0, None),
        ("1e3", None),
        (" 1", None),
        ("1_000", None),
        ("٣", None),
        ("²", None),
        ("", None),
        (True, None),
        (None, None),
        ("9" * 5000, None),
    ],
)
def test_counts(value: object, count: int | None) -> None:
    assert parse_count(value) == count


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T10:00:00.123Z", datetime(2026, 11, 20, 10, 0, 0, 123000, UTC)),
        ("2026-11-20T10:00:00.123456789Z", datetime(2026, 11, 20, 10, 0, 0, 123456, UTC)),
        ("2026-11-20T10:00:00+05:30", datetime(2026, 11, 20, 4, 30, tzinfo=UTC)),
        ("2026-11-20T10:00:00", None),
        ("2026-11-20", None),
        ("2026-02-30T10:00:00Z", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("9999-12-31T23:00:00-05:00", None),
        ("yesterday", None),
        (1790319600, None),
        (None, None),
    ],
)
def test_times(value: object, time: datetime | None) -> None:
    parsed = parse_time(value)
    assert parsed == time
    assert parsed is None or parsed.tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "duration"),
    [
        ("PT4M13S", timedelta(minutes=4, seconds=13)),
        ("P1DT2H", timedelta(days=1, hours=2)),
        ("P1W", timedelta(weeks=1)),
        ("P0D", timedelta()),
        ("PT0S", timedelta()),
        ("PT1.5S", timedelta(seconds=1.5)),
        ("253.5s", timedelta(seconds=253.5)),
        ("P", None),
        ("PT", None),
        ("P1DT", None),
        ("P1Y", None),
        ("P1M", None),
        ("-PT1S", None),
        ("PT1S\n", None),
        ("PT٣S", None),
        ("P999999999W", None),
        ("253.5", None),
        (253, None),
        (None, None),
    ],
)
def test_durations(value: object, duration: timedelta | None) -> None:
    assert parse_duration(value) == duration


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("NUL\0 within", "NUL within"),
        ("whole \U0001f600", "whole \U0001f600"),
        ("halves \ud83d\ude00 side by side", "halves \U0001f600 side by side"),
        ("\ude00 alone \ud83d", "\ufffd alone \ufffd"),
        ("\0\ud83d", "\ufffd"),
        (7, None),
        (None, None),
    ],
)
def test_texts_are_what_postgresql_takes(value: object, text: str | None) -> None:
    assert clean_text(value) == text


def test_tags_are_texts() -> None:
    snippet = {"tags": ["one", None, 3, "", "\0", "t\0wo", ["x"], "\ud83d"]}
    assert Video.from_resource({"id": "a", "snippet": snippet}).tags == ["one", "two", "\ufffd"]
    assert Video.from_resource({"id": "a", "snippet": {"tags": "one"}}).tags == []


@pytest.mark.parametrize(("value", "id_"), [("dQw4w9WgXcQ", "dQw4w9WgXcQ"), ("-_", "-_"), ("a b", None), (3, None)])
def test_ids(value: object, id_: str | None) -> None:
    assert usable_id(value) == id_


def test_what_prints_a_video_does_not_print_all_that_youtube_said() -> None:
    assert "aNewPart" not in repr(Video.from_resource(a_video()))


def test_only_the_title_of_a_search_result_is_escaped(shared_cases: Path) -> None:
    case = json.loads((shared_cases / "search_channel_titles.json").read_text())
    snippet = {"title": case["title"], "channelTitle": case["channelTitle"]}

    item = SearchItem.from_resource({"id": {"videoId": "a"}, "snippet": snippet})

    assert f"{item.title} | {item.channel_title}" == case["expected"].partition(": ")[2].partition(". ")[0]


def test_the_shared_premiere_is_read_with_its_new_publish_time_and_duration(shared_cases: Path) -> None:
    case = json.loads((shared_cases / "premiere.json").read_text())

    before = Video.from_resource(case["first_videos_item"])
    after = VideoStats.from_resource(case["later_batchGetStats_item"])

    assert before.duration == timedelta()
    assert (after.published_at, after.duration) == (datetime(2026, 11, 11, 18, tzinfo=UTC), timedelta(seconds=3723))
    assert policy.publish_time_moved(before.published_at, after.published_at)
