"""Reading data sets of daily view counts: CSV files of trending videos in two formats.

daily      ``date`` is day.month without a year, there is no publish time, tags are separated by a bar.
trending   ``trending_date`` is year.day.month, ``publish_time`` is there, tags are quoted one by one.

A row that cannot be read is skipped and counted; a file that cannot be is a ConfigError that names file, line and what
was expected. All dates are taken as the start of that day in UTC.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time
from typing import TYPE_CHECKING, Final

from atlas.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["Dataset", "Point", "Record", "load"]

_BOTH: Final = ("video_id", "title", "channel_title", "category_id", "tags", "views", "likes")
_DAILY: Final = (*_BOTH, "comment_total", "date")
_TRENDING: Final = (*_BOTH, "trending_date", "publish_time", "comment_count")

_ID: Final = re.compile(r"[A-Za-z0-9_-]{11}")
_DAY_MONTH: Final = re.compile(r"(\d{1,2})\.(\d{1,2})")
_YEAR_DAY_MONTH: Final = re.compile(r"(\d\d)\.(\d\d)\.(\d\d)")
_YEAR: Final = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_NO_TAGS: Final = "[none]"
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
class Record:
    """One video of a data set. Times are seconds since 1970."""

    id: str
    title: str
    channel: str
    category: int
    tags: tuple[str, ...]
    description: str
    published: float | None
    """None where the data set has no publish time."""
    points: list[Point]
    likes_hidden: bool = False
    comments_off: bool = False
    removed: float | None = None


@dataclass(frozen=True)
class Dataset:
    """What was read.

    Attributes:
        name: the file's name.
        kind: daily or trending.
        records: the videos, in the order of their first day.
        first, last: start of the first and of the last day (UTC): a schedule clock may start at the first.
        rows: rows that were read.
        skipped: rows that could not be, by what was wrong with them.
        problems: the first of those, with their lines.
    """

    name: str
    kind: str
    records: list[Record]
    first: datetime
    last: datetime
    rows: int
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def published_known(self) -> bool:
        """Whether videos have a publish time; without one, an age counts from the day a video was first seen."""
        return self.kind == "trending"


class _BadRow(Exception):
    """What is wrong with a row."""


@dataclass(slots=True)
class _Row:
    id: str
    line: int
    day: date
    record: Callable[[], Record]
    counts: tuple[int, int, int]
    flags: tuple[bool, bool, bool]


def load(path: Path, *, year: int | None = None, today: date | None = None) -> Dataset:
    """Reads a data set of either format.

    Args:
        path: the CSV file (UTF-8).
        year: the year of the first row, where dates have none; None: the first year in the file's name, else the last
            one in which all dates have passed by `today`.
        today: see `year`; None is today.

    Raises:
        ConfigError: the file cannot be read, is no such CSV, or most of its rows are malformed.
    """
    text = _text(path)
    reader = csv.reader(io.StringIO(text, newline=""))
    kind, columns = _header(path, reader)
    rows: list[_Row] = []
    skipped: Counter[str] = Counter()
    problems: list[str] = []
    try:
        for cells in reader:
            if not cells:
                continue
            try:
                rows.append(_row(kind, columns, cells, reader.line_num))
            except _BadRow as problem:
                skipped[str(problem)] += 1
                if len(problems) < _NAMED_PROBLEMS:
                    problems.append(f"line {reader.line_num}: {problem}")
    except csv.Error as error:
        raise ConfigError(f"data set {path}, line {reader.line_num}: not readable as CSV ({error}).") from None
    if len(rows) <= skipped.total():
        what = problems[0] if problems else "line 2: there are no rows"
        raise ConfigError(
            f"data set {path}, {what}. Of {len(rows) + skipped.total()} rows {skipped.total()} cannot be read; "
            f"expected were rows with the columns {', '.join(_DAILY if kind == 'daily' else _TRENDING)}."
        )
    if kind == "daily":
        _set_years(path, rows, _year_in(path.name) if year is None else year, today or datetime.now(UTC).date())
    records = _records(rows)
    days = [row.day for row in rows]
    return Dataset(path.name, kind, records, _start(min(days)), _start(max(days)), len(rows), skipped, problems)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"data set {path} cannot be read: {error.strerror}. Name a CSV file of daily view counts."
        ) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"data set {path}, line {line}: the text is not UTF-8; save the file as UTF-8.") from None


def _header(path: Path, reader: Iterable[list[str]]) -> tuple[str, dict[str, int]]:
    try:
        names = [name.strip() for name in next(iter(reader), [])]
    except csv.Error as error:
        raise ConfigError(f"data set {path}, line 1: not readable as CSV ({error}).") from None
    columns = {name: place for place, name in enumerate(names)}
    for kind, needed in (("trending", _TRENDING), ("daily", _DAILY)):
        if columns.keys() >= set(needed):
            return kind, columns
    wanted = _TRENDING if "trending_date" in columns else _DAILY
    absent = [name for name in wanted if name not in columns]
    raise ConfigError(
        f"data set {path}, line 1: the header lacks {', '.join(absent)}. Expected were the columns {', '.join(_DAILY)} "
        f"(dates as day.month), or {', '.join(_TRENDING)} (dates as year.day.month)."
    )


def _row(kind: str, columns: dict[str, int], cells: list[str], line: int) -> _Row:
    if len(cells) != len(columns):
        raise _BadRow(f"{len(cells)} columns instead of {len(columns)}")

    def cell(name: str) -> str:
        return cells[columns[name]].strip() if name in columns else ""

    def count(name: str) -> int:
        value = cell(name)
        if not (value.isascii() and value.isdigit() and len(value) < 19):
            raise _BadRow(f"{name} is no count")
        return int(value)

    identifier = cell("video_id")
    if not _ID.fullmatch(identifier):
        raise _BadRow("video_id is no id of 11 characters")
    trending = kind == "trending"
    published = _publish_time(cell("publish_time")) if trending else None
    category = count("category_id")
    return _Row(
        identifier,
        line,
        _trending_day(cell("trending_date")) if trending else _daily_day(cell("date")),
        lambda: Record(
            id=identifier,
            title=cell("title"),
            channel=cell("channel_title"),
            category=category,
            tags=_tags(cell("tags")),
            description=cell("description").replace("\\n", "\n"),
            published=published,
            points=[],
        ),
        (count("views"), count("likes"), count("comment_count" if trending else "comment_total")),
        tuple(cell(name) == "True" for name in ("ratings_disabled", "comments_disabled", "video_error_or_removed")),  # type: ignore[arg-type]
    )


def _daily_day(text: str) -> date:
    match = _DAY_MONTH.fullmatch(text)
    if match is None:
        raise _BadRow("date is not day.month")
    try:
        return date(_LEAP_YEAR, int(match[2]), int(match[1]))
    except ValueError:
        raise _BadRow("date is no day of a year") from None


def _trending_day(text: str) -> date:
    match = _YEAR_DAY_MONTH.fullmatch(text)
    if match is None:
        raise _BadRow("trending_date is not year.day.month")
    try:
        return date(2000 + int(match[1]), int(match[3]), int(match[2]))
    except ValueError:
        raise _BadRow("trending_date is no day of a year") from None


def _publish_time(text: str) -> float:
    try:
        value = datetime.fromisoformat(text)
        return (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):  # in UTC it may lie outside of all years
        raise _BadRow("publish_time is no ISO 8601 time") from None


def _tags(text: str) -> tuple[str, ...]:
    if text == _NO_TAGS:
        return ()
    return tuple(dict.fromkeys(tag for piece in text.split("|") if (tag := piece.strip().strip('"').strip())))


def _year_in(name: str) -> int | None:
    match = _YEAR.search(name)
    return int(match[0]) if match else None


def _set_years(path: Path, rows: list[_Row], year: int | None, today: date) -> None:
    """Gives dates without a year theirs: rows are in the order of time, so December before January is a new year."""
    turns = 0
    previous = rows[0].day.month
    years: list[int] = []
    for row in rows:
        if previous >= 11 and row.day.month <= 2:
            turns += 1
        previous = row.day.month
        years.append(turns)
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


def _records(rows: list[_Row]) -> list[Record]:
    records: dict[str, Record] = {}
    days: dict[str, dict[date, _Row]] = {}
    for row in rows:
        days.setdefault(row.id, {})[row.day] = row  # a day that is told twice: the later row holds
    for identifier, told in days.items():
        ordered = sorted(told.items())
        latest = ordered[-1][1]
        record = latest.record()
        record.points = [Point(_start(day).timestamp(), *row.counts) for day, row in ordered]
        record.likes_hidden, record.comments_off, gone = latest.flags
        if gone:
            record.removed = record.points[-1].at
        records[identifier] = record
    return sorted(records.values(), key=lambda record: record.points[0].at)
