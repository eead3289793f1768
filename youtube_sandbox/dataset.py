"""Read data sets of daily view counts: CSV files of trending videos in two formats.

daily      ``date`` is day.month without a year, there is no publish time, tags are separated by a bar.
trending   ``trending_date`` is year.day.month, ``publish_time`` is there, tags are quoted one by one.

A row that cannot be read is skipped and counted; a file that cannot be read is a ConfigError that names file, line and
what was expected. All dates are taken as the start of that day in UTC.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from atlas.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class _Format(NamedTuple):
    """What differs between the two formats."""

    kind: str
    date: str
    shown: str
    pattern: re.Pattern[str]
    comments: str
    others: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        common = ("video_id", "title", "channel_title", "category_id", "tags", "views", "likes")
        return (*common, self.comments, self.date, *self.others)


_DAILY: Final = _Format(
    "daily", "date", "day.month", re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})"), "comment_total", (),
)  # fmt: skip
_TRENDING: Final = _Format(
    "trending", "trending_date", "year.day.month", re.compile(r"(?P<year>\d\d)\.(?P<day>\d\d)\.(?P<month>\d\d)"),
    "comment_count", ("publish_time",),
)  # fmt: skip

_ID: Final = re.compile(r"[A-Za-z0-9_-]{11}")
_YEAR: Final = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_LEAP_YEAR: Final = 2000  # stands for the year until it is known
_NAMED_PROBLEMS: Final = 20


@dataclass(frozen=True, slots=True)
class Point:
    """The counts of a video on one day; `at` is its start in UTC, seconds since 1970."""

    at: float
    views: int
    likes: int
    comments: int


@dataclass(slots=True)
class DatasetVideo:
    """One video of a data set. Times are seconds since 1970; `published` is None where the data set has none."""

    id: str
    title: str
    channel: str
    category: int
    tags: tuple[str, ...]
    description: str
    published: float | None
    points: list[Point]
    likes_hidden: bool = False
    comments_off: bool = False
    removed: float | None = None


@dataclass(frozen=True)
class Dataset:
    """The content of a data set file; a schedule clock may start at its first day."""

    name: str
    kind: str  # daily or trending
    videos: list[DatasetVideo]  # in the order of their first day
    first: datetime  # start of the first day (UTC)
    last: datetime  # start of the last day (UTC)
    rows: int
    skipped: Counter[str] = field(default_factory=Counter)  # rows by what was wrong with them
    problems: list[str] = field(default_factory=list)  # the first of those, with their lines

    @property
    def published_known(self) -> bool:
        """Whether videos have a publish time; without one, an age counts from the day a video was first seen."""
        return self.kind == _TRENDING.kind


class _BadRow(Exception):
    """What is wrong with a row."""


@dataclass(slots=True)
class _Row:
    line: int
    day: date
    video: DatasetVideo
    counts: tuple[int, int, int]
    gone: bool


def load(path: Path, *, year: int | None = None, today: date | None = None) -> Dataset:
    """Read a data set of either format (UTF-8).

    `year`: of the first row, where dates have none; None: the first year in the file's name, else the last one in which
    all dates have passed by `today`. Raises ConfigError: the file cannot be read, is no such CSV, or most of its rows
    are malformed.
    """
    reader = csv.reader(io.StringIO(_text(path), newline=""))
    rows: list[_Row] = []
    skipped: Counter[str] = Counter()
    problems: list[str] = []
    try:
        format_, columns = _header(path, next(reader, []))
        for cells in filter(None, reader):
            try:
                rows.append(_row(format_, columns, cells, reader.line_num))
            except _BadRow as problem:
                skipped[str(problem)] += 1
                if len(problems) < _NAMED_PROBLEMS:
                    problems.append(f"line {reader.line_num}: {problem}")
    except csv.Error as error:
        raise ConfigError(f"data set {path}, line {max(reader.line_num, 1)}: not readable as CSV ({error}).") from None
    if len(rows) <= skipped.total():
        what = problems[0] if problems else "line 2: there are no rows"
        raise ConfigError(
            f"data set {path}, {what}. Of {len(rows) + skipped.total()} rows {skipped.total()} cannot be read; "
            f"expected were rows with the columns {', '.join(format_.columns)}."
        )
    if format_ is _DAILY:
        named = _YEAR.search(path.name)
        year = int(named[0]) if year is None and named else year
        _set_years(path, rows, year, today or datetime.now(UTC).date())
    first, last = (_start(pick(row.day for row in rows)) for pick in (min, max))
    return Dataset(path.name, format_.kind, _videos(rows), first, last, len(rows), skipped, problems)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        message = f"data set {path} cannot be read: {error.strerror}. Name a CSV file of daily view counts."
        raise ConfigError(message) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"data set {path}, line {line}: the text is not UTF-8; save the file as UTF-8.") from None


def _header(path: Path, names: Iterable[str]) -> tuple[_Format, dict[str, int]]:
    columns = {name.strip(): place for place, name in enumerate(names)}
    format_ = _TRENDING if _TRENDING.date in columns else _DAILY
    if absent := [name for name in format_.columns if name not in columns]:
        raise ConfigError(
            f"data set {path}, line 1: the header lacks {', '.join(absent)}. Expected were the columns "
            f"{', '.join(_DAILY.columns)} (dates as {_DAILY.shown}), or {', '.join(_TRENDING.columns)} (dates as "
            f"{_TRENDING.shown})."
        )
    return format_, columns


def _row(format_: _Format, columns: dict[str, int], cells: list[str], line: int) -> _Row:
    if len(cells) != len(columns):
        raise _BadRow(f"{len(cells)} columns instead of {len(columns)}")

    def cell(name: str) -> str:
        return cells[columns[name]].strip() if name in columns else ""

    def count(name: str) -> int:
        value = cell(name)
        if not (value.isascii() and value.isdigit() and len(value) < 19):
            raise _BadRow(f"{name} is no count")
        return int(value)

    def flag(name: str) -> bool:
        return cell(name) == "True"

    if not _ID.fullmatch(cell("video_id")):
        raise _BadRow("video_id is no id of 11 characters")
    video = DatasetVideo(
        id=cell("video_id"),
        title=cell("title"),
        channel=cell("channel_title"),
        category=count("category_id"),
        tags=_tags(cell("tags")),
        description=cell("description").replace("\\n", "\n"),
        published=_publish_time(cell("publish_time")) if format_ is _TRENDING else None,
        points=[],
        likes_hidden=flag("ratings_disabled"),
        comments_off=flag("comments_disabled"),
    )
    counts = (count("views"), count("likes"), count(format_.comments))
    return _Row(line, _day(format_, cell(format_.date)), video, counts, flag("video_error_or_removed"))


def _day(format_: _Format, text: str) -> date:
    match = format_.pattern.fullmatch(text)
    if match is None:
        raise _BadRow(f"{format_.date} is not {format_.shown}")
    parts = match.groupdict(default="")
    try:
        return date(_LEAP_YEAR + int(parts.get("year", 0)), int(parts["month"]), int(parts["day"]))
    except ValueError:
        raise _BadRow(f"{format_.date} is no day of a year") from None


def _publish_time(text: str) -> float:
    try:
        value = datetime.fromisoformat(text)
        return (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):  # in UTC it may lie outside of all years
        raise _BadRow("publish_time is no ISO 8601 time") from None


def _tags(text: str) -> tuple[str, ...]:
    if text == "[none]":
        return ()
    return tuple(dict.fromkeys(tag for piece in text.split("|") if (tag := piece.strip().strip('"').strip())))


def _set_years(path: Path, rows: list[_Row], year: int | None, today: date) -> None:
    """Set the years of dates without one: rows are in the order of time, so December before January is a new year."""
    months = [row.day.month for row in rows]
    years = list(accumulate((a >= 11 and b <= 2 for a, b in pairwise(months)), initial=0))
    turns = years[-1]
    last = max(zip(years, rows, strict=True), key=lambda pair: (pair[0], pair[1].day))[1].day
    if year is None:
        year = today.year - turns - ((last.month, last.day) > (today.month, today.day))
    for turn, row in zip(years, rows, strict=True):
        if not MINYEAR <= year + turn <= MAXYEAR:
            raise ConfigError(
                f"data set {path}, line {row.line}: its date would be in the year {year + turn}. A January after a "
                "December begins a new year: sort the rows by date, or give another --dataset-year."
            )
        try:
            row.day = row.day.replace(year=year + turn)
        except ValueError:  # 29 February of a year that has none
            row.day = date(year + turn, 3, 1)


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _videos(rows: list[_Row]) -> list[DatasetVideo]:
    days: dict[str, dict[date, _Row]] = {}
    for row in rows:
        days.setdefault(row.video.id, {})[row.day] = row  # of two rows of one day, the later one is used
    videos = []
    for rows_by_day in days.values():
        ordered = sorted(rows_by_day.items())
        latest = ordered[-1][1]
        latest.video.points = [Point(_start(day).timestamp(), *row.counts) for day, row in ordered]
        if latest.gone:
            latest.video.removed = latest.video.points[-1].at
        videos.append(latest.video)
    return sorted(videos, key=lambda video: video.points[0].at)
