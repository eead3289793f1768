"""Resources are read leniently: only the id counts, and nothing odd in a field ever costs the item."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from atlas import policy
from atlas.models.parsing import MAX_COUNT, clean_text, parse_count, parse_duration, parse_time, usable_id
from atlas.models.youtube import SearchItem, Video, VideoStats

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_a_video_is_read_whole() -> None:
    resource = {
        "kind": "youtube#video",
        "id": "dQ_-0000001",
        "snippet": {
            "publishedAt": "2026-11-20T10:00:00Z",
            "channelId": "UC_channel-0000000000001",
            "channelTitle": "A channel",
            "title": "Salt &amp; pepper",
            "description": "What it is about.",
            "tags": ["one", None, 3, "", "\0", "t\0wo", ["x"], "\ud83d"],
            "categoryId": "22",
        },
        "contentDetails": {"duration": "PT1H4M13S"},
        "statistics": {"viewCount": "18446744073709551615", "likeCount": "34", "commentCount": "0"},
        "aNewPart": {"of": ["the", "API"]},
    }
    video = Video.from_resource(resource)
    assert video == Video(
        id="dQ_-0000001",
        channel_id="UC_channel-0000000000001",
        channel_title="A channel",
        title="Salt &amp; pepper",  # videos.list escapes nothing: this is what the title says
        published_at=TEN,
        tags=["one", "two", "\ufffd"],
        category_id=22,
        duration=timedelta(hours=1, minutes=4, seconds=13),
        views=None,  # beyond PostgreSQL's bigint
        likes=34,
        comments=0,
        raw=resource,
    )
    assert video.raw is resource
    assert not video.partial
    assert "aNewPart" not in repr(video), "what prints a video does not print all of YouTube's answer"
    assert Video.from_resource({"id": "a", "snippet": {"tags": "one"}}).tags == []


@pytest.mark.parametrize("model", [Video, VideoStats, SearchItem])
def test_without_a_usable_id_there_is_no_item(model: type[Video]) -> None:
    unusable = (None, "", 7, [], {}, "a b", "a,b", "a\n", "ü", "x" * 300, "\0")
    named = (form for id_ in unusable for form in ({"id": id_}, {"id": {"videoId": id_}}))
    resources: list[Any] = [*named, {}, None, [], "text", 3]
    for resource in resources:
        with pytest.raises(ValueError, match="usable id"):
            model.from_resource(resource)


def test_a_search_result_becomes_a_partial_video_and_only_its_title_is_escaped(shared_cases: Path) -> None:
    snippet = {
        "publishTime": "2026-11-20T10:00:00Z",
        "channelId": "UC1",
        "channelTitle": "Pots &amp; pans",
        "title": "&quot;Salt&quot; &amp; pepper &#39;26",
        "description": "5 &lt; 6",
    }
    resource = {"id": {"kind": "youtube#video", "videoId": "a"}, "snippet": snippet}
    assert SearchItem.from_resource(resource).to_video() == Video(
        id="a",
        channel_id="UC1",
        channel_title="Pots &amp; pans",
        title='"Salt" & pepper \'26',
        published_at=TEN,
        partial=True,
        raw=resource,
    )
    case = json.loads((shared_cases / "search_channel_titles.json").read_text())
    snippet = {"title": case["title"], "channelTitle": case["channelTitle"]}
    item = SearchItem.from_resource({"id": {"videoId": "a"}, "snippet": snippet})
    assert f"{item.title} | {item.channel_title}" == case["expected"].partition(": ")[2].partition(". ")[0]


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
    snippet = {"publishTime": "2026-11-20T10:00:00Z"}
    resource = {"id": "a", "snippet": snippet, "statistics": {"viewCount": "7"}, "contentDetails": details}
    assert VideoStats.from_resource(resource) == VideoStats(id="a", published_at=TEN, views=7, duration=duration)


READ: list[tuple[Callable[[object], object], object, object]] = [
    *((parse_count, value, int(value)) for value in ("0", "1200", 7, str(MAX_COUNT), MAX_COUNT)),
    *(
        (parse_count, odd, None)
        for odd in (
            str(MAX_COUNT + 1), MAX_COUNT + 1, "-1", -1, "1.5", 1.0, "1e3", " 1", "1_000", "٣", "²", "", True, None,
            "9" * 5000,
        )
    ),
    (parse_time, "2026-11-20T10:00:00Z", TEN),
    (parse_time, "2026-11-20T10:00:00.123Z", TEN.replace(microsecond=123000)),
    (parse_time, "2026-11-20T10:00:00.123456789Z", TEN.replace(microsecond=123456)),
    (parse_time, "2026-11-20T10:00:00+05:30", datetime(2026, 11, 20, 4, 30, tzinfo=UTC)),
    *(
        (parse_time, odd, None)
        for odd in (
            "2026-11-20T10:00:00", "2026-11-20", "2026-02-30T10:00:00Z", "0001-01-01T00:00:00+05:00",
            "9999-12-31T23:00:00-05:00", "yesterday", 1790319600, None,
        )
    ),
    (parse_duration, "PT4M13S", timedelta(minutes=4, seconds=13)),
    (parse_duration, "P1DT2H", timedelta(days=1, hours=2)),
    (parse_duration, "P1W", timedelta(weeks=1)),
    (parse_duration, "P0D", timedelta()),
    (parse_duration, "PT0S", timedelta()),
    (parse_duration, "PT1.5S", timedelta(seconds=1.5)),
    (parse_duration, "253.5s", timedelta(seconds=253.5)),
    *(
        (parse_duration, odd, None)
        for odd in ("P", "PT", "P1DT", "P1Y", "P1M", "-PT1S", "PT1S\n", "PT٣S", "P999999999W", "253.5", 253, None)
    ),
    # texts are what PostgreSQL takes
    (clean_text, "", ""),
    (clean_text, "plain", "plain"),
    (clean_text, "NUL\0 within", "NUL within"),
    (clean_text, "whole \U0001f600", "whole \U0001f600"),
    (clean_text, "halves \ud83d\ude00 side by side", "halves \U0001f600 side by side"),
    (clean_text, "\ude00 alone \ud83d", "\ufffd alone \ufffd"),
    (clean_text, "\0\ud83d", "\ufffd"),
    (clean_text, 7, None),
    (clean_text, None, None),
    *((usable_id, value, value) for value in ("dQw4w9WgXcQ", "-_")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("parse", "value", "expected"), READ, ids=[f"{parse.__name__} {ascii(value)[:40]}" for parse, value, _ in READ]
)
def test_a_value_is_read_or_none(parse: Callable[[object], object], value: object, expected: object) -> None:
    parsed = parse(value)
    assert parsed == expected
    assert type(parsed) is type(expected)
    assert not isinstance(parsed, datetime) or parsed.tzinfo is UTC


def test_the_shared_premiere_is_read_with_its_new_publish_time_and_duration(shared_cases: Path) -> None:
    case = json.loads((shared_cases / "premiere.json").read_text())
    before = Video.from_resource(case["first_videos_item"])
    after = VideoStats.from_resource(case["later_batchGetStats_item"])
    assert before.duration == timedelta()
    assert (after.published_at, after.duration) == (datetime(2026, 11, 11, 18, tzinfo=UTC), timedelta(seconds=3723))
    assert policy.publish_time_moved(before.published_at, after.published_at)
