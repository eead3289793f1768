"""Damaged data sets of view counts: rows that cannot be read are counted, files that cannot be named with a line."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.errors import ConfigError
from youtube_sandbox.dataset import Dataset, load
from youtube_sandbox.replay import ReplayWorld
from youtube_sandbox.resources import search_item, video_item

from ...support.examples import examples

DAILY = [
    "video_id", "title", "channel_title", "category_id", "tags", "views", "likes", "dislikes", "comment_total",
    "thumbnail_link", "date",
]  # fmt: skip
TRENDING = [
    "video_id", "trending_date", "title", "channel_title", "category_id", "publish_time", "tags", "views", "likes",
    "dislikes", "comment_count", "thumbnail_link", "comments_disabled", "ratings_disabled", "video_error_or_removed",
    "description",
]  # fmt: skip
TODAY = date(2018, 6, 1)

ODD_TEXTS = (
    "", "[none]", 'a|"b"|c', '"', '""', "a,b", "a\nb", "\r", "\0", "é😀", "x" * 140_000, "=cmd()", "::error::x",
    "\ufeff",
)  # fmt: skip
texts = st.text(max_size=12) | st.sampled_from(ODD_TEXTS)
ids = st.sampled_from(("aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc")) | texts
counts = (
    st.integers(0, 10**19).map(str) | st.sampled_from(("-1", "1.5", "", "٣", "1e5", "9" * 30, " 7 ", "NaN")) | texts
)
days = {
    "date": st.dates(date(2000, 1, 1), date(2000, 12, 31)).map(lambda day: f"{day.day:02}.{day.month:02}"),
    "trending_date": st.dates(date(2017, 1, 1), date(2018, 5, 31)).map(lambda day: f"{day:%y.%d.%m}"),
}
odd_days = st.sampled_from(("29.02", "31.02", "00.00", "1.13", "17.31.02", "99.99.99", "2017-11-14", "")) | texts
times = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat) | st.sampled_from(
    ("2017-11-13T12:00:00.000Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2017-11-13", "never", "")
)
flags = st.sampled_from(("True", "False", "", "true"))


@st.composite
def rows(draw: st.DrawFn, columns: list[str]) -> list[str]:
    """A row: good in most, with odd values in some places, sometimes with a column too many or too few."""
    good = {
        "video_id": "aaaaaaaaaaa", "title": "T", "channel_title": "C", "category_id": "24", "tags": "a|b",
        "views": "100", "likes": "10", "dislikes": "1", "comment_total": "5", "comment_count": "5",
        "thumbnail_link": "x", "publish_time": "2017-11-13T12:00:00.000Z", "description": "d",
    }  # fmt: skip
    of: dict[str, st.SearchStrategy[str]] = {
        "video_id": ids, "title": texts, "channel_title": texts, "tags": texts, "description": texts,
        "publish_time": times, "category_id": counts, "views": counts, "likes": counts, "comment_total": counts,
        "comment_count": counts, "date": odd_days, "trending_date": odd_days,
    }  # fmt: skip
    cells = [good.get(name) or draw(days.get(name, flags)) for name in columns]
    for name in draw(st.lists(st.sampled_from([name for name in columns if name in of]), max_size=2)):
        cells[columns.index(name)] = draw(of[name])
    extra = draw(st.sampled_from((0,) * 12 + (1, -1)))
    return [*cells, "more"] if extra > 0 else cells[: len(cells) + extra]


def as_csv(lines: list[list[str]], **dialect: Any) -> str:
    out = io.StringIO()
    csv.writer(out, **dialect).writerows(lines)
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("datasets")


def check_error(error: ConfigError, path: Path) -> None:
    """It names the file and the line, on one line."""
    text = str(error)
    assert str(path) in text
    assert re.search(r", line [0-9]+: ", text.replace(str(path), ""))
    assert text.isprintable()
    assert len(text) < 1000 + len(str(path))


def check_world(dataset: Dataset) -> None:
    """What was read can be replayed: each video can be asked for, with all that is known of it."""
    world = ReplayWorld(dataset)
    now = dataset.last.timestamp() + 1
    for record in dataset.videos:
        assert record.points
        assert all(dataset.first.timestamp() <= point.at <= dataset.last.timestamp() for point in record.points)
        video = world.find_video(record.id, now)
        if video is not None:
            parts = {"snippet", "contentDetails", "statistics"}
            orjson.dumps([video_item(video, now, parts), search_item(video, now, 1, parts)])


@examples(400)
@given(data=st.data(), kind=st.sampled_from(("daily", "trending")), year=st.none() | st.integers(-2, 10_001))
def test_every_row_is_read_or_counted(folder: Path, data: st.DataObject, kind: str, year: int | None) -> None:
    """Rows read and rows skipped are all rows; a file that is mostly damaged is an error with its name and a line.

    Seen to catch: a bad row that is passed over without being counted; a publish time outside of all years in UTC and a
    year outside of them, as they were; `<=` taken for `<` where as many rows are bad as good.
    """
    columns = data.draw(st.permutations(DAILY if kind == "daily" else TRENDING))
    lines = data.draw(st.lists(rows(columns), max_size=8))
    quoted: dict[str, Any] = {"quoting": csv.QUOTE_ALL}
    text = as_csv(
        [list(columns), *lines], **data.draw(st.sampled_from(({}, quoted, quoted | {"lineterminator": "\n"})))
    )
    path = folder / "counts.csv"
    path.write_bytes(data.draw(st.sampled_from((b"", b"\xef\xbb\xbf"))) + text.encode())
    too_long = any(len(cell) > csv.field_size_limit() for line in lines for cell in line)
    good = sum(is_good(kind, dict(zip(columns, line, strict=False)), len(line) == len(columns)) for line in lines)
    try:
        dataset = load(path, year=year, today=TODAY)
    except ConfigError as error:
        check_error(error, path)
        years_out = kind == "daily" and year is not None and not 1 <= year <= 9990
        assert too_long or years_out or good <= len(lines) - good
        return
    assert not too_long
    assert dataset.kind == kind
    assert dataset.rows + dataset.skipped.total() == len(lines)
    assert dataset.rows == good
    assert len(dataset.problems) == dataset.skipped.total()
    check_world(dataset)


def is_good(kind: str, cells: dict[str, str], whole: bool) -> bool:
    """Whether a row can be read, by a reading of our own."""
    day = cells.get("trending_date" if kind == "trending" else "date", "").strip()
    numbers = ("category_id", "views", "likes", "comment_count" if kind == "trending" else "comment_total")
    return (
        whole
        and re.fullmatch("[A-Za-z0-9_-]{11}", cells["video_id"].strip()) is not None
        and all(re.fullmatch("[0-9]{1,18}", cells[name].strip()) for name in numbers)
        and is_day(kind, day)
        and (kind == "daily" or is_time(cells["publish_time"].strip()))
    )


def is_day(kind: str, text: str) -> bool:
    parts = text.split(".")
    lengths = [len(part) for part in parts]
    fits = lengths == [2, 2, 2] if kind == "trending" else len(parts) == 2 and set(lengths) <= {1, 2}
    if not fits or not all(part.isdecimal() for part in parts):
        return False
    year, day, month = ([0] if kind == "daily" else []) + [int(part) for part in parts]
    try:
        return bool(date(2000 + year, month, day))
    except ValueError:
        return False


def is_time(text: str) -> bool:
    try:
        moment = datetime.fromisoformat(text)
        return moment.tzinfo is None or moment.astimezone(UTC) is not None
    except (ValueError, OverflowError):
        return False


ODD_BYTES = (b'"', b"\r", b"\n", b"\0", b",", b"\xff", b"\xed\xa0\x80", b"x" * 140_000)
kinds = st.sampled_from(("daily", "trending"))


@examples(400)
@given(data=st.data(), kind=kinds, encoding=st.sampled_from(("utf-8", "utf-16", "cp1252")))
def test_a_damaged_file_is_read_or_named(folder: Path, data: st.DataObject, kind: str, encoding: str) -> None:
    """Cut off, overwritten, unfinished quotes, another encoding, no header: a data set, or an error with file and line.

    Seen to catch: `load` without its `except csv.Error`; a text that is decoded leniently.
    """
    columns = DAILY if kind == "daily" else TRENDING
    lines = data.draw(st.lists(rows(columns), max_size=4))
    raw = as_csv([columns, *lines]).encode(encoding, "replace")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw)))
        new = data.draw(st.binary(max_size=4) | st.sampled_from(ODD_BYTES))
        raw = raw[:at] + new + raw[at + data.draw(st.sampled_from((0, 0, 1, 40, len(raw)))) :]
    path = folder / "damaged.csv"
    path.write_bytes(raw)
    try:
        dataset = load(path, today=TODAY)
    except ConfigError as error:
        check_error(error, path)
        return
    assert dataset.rows > dataset.skipped.total()
    check_world(dataset)


@pytest.mark.parametrize("turns", [2_000, 2_100, 7_900, 8_000])
@pytest.mark.parametrize(("name", "unsorted"), [("counts.csv", True), ("counts_2017.csv", True), ("counts.csv", False)])
def test_rows_that_are_not_in_order_never_leave_the_calendar(
    folder: Path, turns: int, name: str, unsorted: bool
) -> None:
    """Thousands of Januaries after Decembers are thousands of years: an error that says to sort the rows.

    Seen to catch: a year outside of the calendar that is taken for a 29 February, as it was.
    """
    good = ["aaaaaaaaaaa", "T", "C", "24", "a", "1", "1", "1", "1", "x"]
    months = ("1.12", "1.1") if unsorted else ("1.5", "1.6")
    path = folder / name
    path.write_text(as_csv([DAILY, *([[*good, month] for month in months] * turns)]), encoding="utf-8")
    possible = not unsorted or (turns < 10_000 - 2017 if "2017" in name else turns < TODAY.year)
    if possible:
        assert load(path, today=TODAY).rows == 2 * turns
        return
    with pytest.raises(ConfigError, match="sort the rows") as error:
        load(path, today=TODAY)
    check_error(error.value, path)
