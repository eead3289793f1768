"""Replaying data sets of daily view counts."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from atlas.errors import ConfigError
from youtube_sandbox.catalogue import Query
from youtube_sandbox.dataset import load
from youtube_sandbox.replay import ReplayWorld

DAILY = "video_id,title,channel_title,category_id,tags,views,likes,dislikes,comment_total,thumbnail_link,date"
TRENDING = (
    "video_id,trending_date,title,channel_title,category_id,publish_time,tags,views,likes,dislikes,comment_count,"
    "thumbnail_link,comments_disabled,ratings_disabled,video_error_or_removed,description"
)


def daily(video: str = "aaaaaaaaaaa", day: str = "13.09", views: str = "100") -> str:
    return f'{video},"A title, with a comma",Channel,24,one|two words,{views},10,1,5,https://example.org/x.jpg,{day}'


def trending(
    video: str = "bbbbbbbbbbb", day: str = "17.14.11", views: str = "100", published: str = "2017-11-13T12:00:00.000Z",
    flags: str = "False,False,False",
) -> str:  # fmt: skip
    tags = '"first tag"|"second"|"first tag"'
    return f'{video},{day},Title,Channel,22,{published},{tags},{views},10,1,5,https://example.org/x.jpg,{flags},"a\\nb"'


def write(folder: Path, *rows: str, name: str = "counts_2017.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def at(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


def test_a_daily_file_takes_its_year_from_its_name_and_its_ages_from_the_first_sight(tmp_path: Path) -> None:
    dataset = load(write(tmp_path, DAILY, daily(), daily(day="15.09", views="300")))
    assert (dataset.kind, dataset.published_known, dataset.rows) == ("daily", False, 2)
    assert (dataset.first, dataset.last) == (datetime(2017, 9, 13, tzinfo=UTC), datetime(2017, 9, 15, tzinfo=UTC))
    world = ReplayWorld(dataset)
    video = world.find_video("aaaaaaaaaaa", at(2017, 9, 14))
    assert video is not None
    assert video.published == at(2017, 9, 13)
    assert (video.title, video.tags, video.category) == ("A title, with a comma", ("one", "two words"), 24)
    assert world.describe()["age"] == "since first seen"


def test_a_trending_file_has_publish_times_flags_and_quoted_tags(tmp_path: Path) -> None:
    rows = [trending(), trending("ccccccccccc", flags="True,True,False")]
    rows += [trending("ddddddddddd", day="17.15.11", flags="False,False,True"), trending("ddddddddddd")]
    world = ReplayWorld(load(write(tmp_path, TRENDING, *rows)))
    now = at(2017, 11, 16)
    open_, hidden = world.video("bbbbbbbbbbb", now), world.video("ccccccccccc", now)
    assert open_ is not None
    assert hidden is not None
    found = (open_.published, open_.tags, open_.description)
    assert found == (at(2017, 11, 13, 12), ("first tag", "second"), "a\nb")
    assert open_.counts(now) == (100, 10, 5)
    assert hidden.counts(now) == (100, None, None)
    assert world.video("ddddddddddd", at(2017, 11, 14, 23)) is not None
    assert world.video("ddddddddddd", now) is None, "it was removed on its last day"
    assert world.describe()["age"] == "since publication"


def test_counts_between_the_days_are_interpolated_and_may_fall(tmp_path: Path) -> None:
    rows = (trending(), trending(day="17.15.11", views="300"), trending(day="17.16.11", views="200"))
    world = ReplayWorld(load(write(tmp_path, TRENDING, *rows)))
    video = world.find_video("bbbbbbbbbbb", at(2017, 11, 20))
    assert video is not None
    views = {
        at(2017, 11, 13, 12): 0, at(2017, 11, 13, 18): 50, at(2017, 11, 14): 100, at(2017, 11, 14, 12): 200,
        at(2017, 11, 15): 300, at(2017, 11, 15, 12): 250, at(2017, 11, 16): 200, at(2018, 1, 1): 200,
    }  # fmt: skip
    assert {when: video.counts(when).views for when in views} == views


def test_search_finds_a_video_from_its_publication_on(tmp_path: Path) -> None:
    world = ReplayWorld(load(write(tmp_path, TRENDING, trending())))
    query = Query("second", Query.parse("second"), order="date")
    assert world.search(query, at(2017, 11, 13, 11)) == []
    (found,) = world.search(query, at(2017, 11, 13, 13))
    assert world.channel(found.channel.id) is found.channel
    assert world.uploads(found.channel.id, at(2017, 11, 13, 13)) == [found]
    assert world.find_video(found.id, at(2017, 11, 13, 11)) is None
    assert world.search(Query("", (), after=at(2017, 11, 13, 14)), at(2017, 11, 14)) == []


def test_the_year_is_asked_for_or_guessed_where_no_name_has_it(tmp_path: Path) -> None:
    rows = (DAILY, daily(day="30.12"), daily(day="31.12"), daily(day="01.01", views="200"))
    path = write(tmp_path, *rows, name="counts.csv")
    assert load(path, today=date(2026, 11, 22)).first.year == 2025
    assert load(path, today=date(2026, 11, 22)).last == datetime(2026, 1, 1, tzinfo=UTC)
    assert load(path, year=2011).last.year == 2012
    summer = write(tmp_path, DAILY, daily(day="01.07"), name="summer.csv")
    assert load(summer, today=date(2026, 6, 30)).first.year == 2025
    assert load(summer, today=date(2026, 7, 1)).first.year == 2026
    leap = write(tmp_path, DAILY, daily(day="29.02"), name="leap.csv")
    assert load(leap, year=2023).first == datetime(2023, 3, 1, tzinfo=UTC)


def test_malformed_rows_are_skipped_and_counted(tmp_path: Path) -> None:
    good = [daily(f"good{number:07d}") for number in range(9)]
    bad = [daily() + ",one more", daily(day="32.09"), daily(day="2017-09-13"), daily(views="many")]
    bad += [daily(views="-5"), daily("#NAME?")]
    dataset = load(write(tmp_path, DAILY, *good, "", *bad))
    assert (dataset.rows, dataset.skipped.total()) == (9, 6)
    assert dataset.skipped["views is no count"] == 2
    assert dataset.problems[0] == "line 12: 12 columns instead of 11"
    good = [trending(f"z{number}zzzzzzzzz") for number in range(5)]
    bad = [trending(day="2017-11-14"), trending(day="17.31.02"), trending(published="yesterday")]
    assert set(load(write(tmp_path, TRENDING, *good, *bad)).skipped) == {
        "trending_date is not year.day.month",
        "trending_date is no day of a year",
        "publish_time is no ISO 8601 time",
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "broken.csv cannot be read: No such file"),
        (b"", "line 1: the header lacks video_id"),
        (b"id,name\n1,2\n", "line 1: the header lacks video_id"),
        (b"video_id,trending_date\n", "line 1: the header lacks title"),
        (DAILY.encode(), "line 2: there are no rows"),
        (f"{DAILY}\n{daily(day='soon')}\n{daily(day='later')}\n".encode(), "line 2: date is not day.month"),
        (f"{DAILY}\n".encode() + b"\xff\xfe\n", "line 2: the text is not UTF-8"),
        (f"{DAILY}\n".encode() + b'"' + b"x" * 140_000, "line 2: not readable as CSV"),
        (b'"' + b"x" * 140_000, "line 1: not readable as CSV"),
    ],
)
def test_a_malformed_file_says_where_and_what_was_expected(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "broken.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "broken.csv" in str(caught.value)
    assert said in str(caught.value)


def test_the_shared_data_sets_can_be_replayed(shared_data: Path) -> None:
    daily, trending = (load(path) for path in sorted((shared_data / "trending").glob("*.csv")))
    assert (daily.rows, daily.skipped.total(), len(daily.videos)) == (7_993, 2, 1_736)
    assert (daily.first.date(), daily.last.date()) == (date(2017, 9, 13), date(2017, 10, 22))
    assert (trending.rows, trending.skipped.total(), len(trending.videos)) == (3_000, 0, 791)
    assert (trending.first.date(), trending.last.date()) == (date(2017, 11, 14), date(2017, 11, 28))
    for dataset in (daily, trending):
        found = ReplayWorld(dataset).search(Query("", ()), dataset.last.timestamp())
        assert len(found) == 500
        assert sum(video.counts(dataset.last.timestamp()).views == 0 for video in found) <= 1  # one row really says 0
