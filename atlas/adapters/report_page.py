"""ReportPageDAO: what the page of `maia report` shows, each list bounded, and videos in a stream."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import asyncpg

from atlas import policy
from atlas.adapters.growth import KINDS, Forecast, VideoGrowth
from atlas.clock import clock
from atlas.database import Database, database
from atlas.db.errors import map_driver_errors
from atlas.db.queries import bind, sql

__all__ = [
    "Day", "Freeze", "Listed", "PageReader", "QueryYield", "Readings", "ReportPageDAO", "RunMark",
    "Sample", "SampledInterval", "SearchGap",
]  # fmt: skip

T = TypeVar("T")

_ROWS = 1_000  # of one fetch from a cursor
_LONG = 3_600.0  # seconds, instead of the limit of short statements
_VIEWS = 1 << 40  # see list_readings.sql
_SEARCHES = 50_000  # runs of the Hunter
_SAMPLE_AT_ONCE = 250
_HOUR, _SECOND = 3_600, timedelta(seconds=1)
_TEN_YEARS = timedelta(days=3_650)


class Listed(list[T]):
    """The first rows of a list, and the number of all."""

    number: int = 0


class Readings(NamedTuple):
    """The readings of a video: minutes since the beginning, ascending, and views."""

    video_id: str
    minutes: Sequence[int]
    views: Sequence[int]


@dataclass(frozen=True)
class Day:
    """A day in the display time zone."""

    day: date
    new_videos: int
    """Videos that were first seen on that day and are still stored."""
    searches: int
    """Calls of search.list by runs that started on that day."""
    breakouts: int
    """Breakouts that were detected on that day."""


@dataclass(frozen=True)
class QueryYield:
    """What a query has brought, since it is in the queue."""

    query: str
    status: str
    searches: int
    results: int
    new_videos: int
    """Videos that its searches listed first."""
    broke_out: int
    """Stored videos of those that have had a breakout."""
    last_searched_at: datetime | None


@dataclass(frozen=True)
class RunMark:
    """A run of an agent. Its start is a schedule time; ``seconds`` are real."""

    started_at: datetime
    agent: str
    shard: str | None
    wave: int | None
    outcome: str | None
    """None: it still runs, or was killed."""
    seconds: float | None
    new_videos: int | None
    """Of a Hunter."""
    updated: int | None
    """Videos that a Tracker read again."""
    error: str | None
    url: str | None
    """The workflow run; None: unknown."""


@dataclass(frozen=True)
class SearchGap:
    """A part of a search window that was not read in its round."""

    at: datetime
    query: str
    published_after: datetime | None
    published_before: datetime | None
    reason: str


@dataclass(frozen=True)
class Freeze:
    """A time in which YouTube changed the counts of no video."""

    started_at: datetime
    ended_at: datetime | None
    confirmed: bool
    videos: int
    channels: int


class SampledInterval(NamedTuple):
    """How many intervals between two snapshots of sampled videos ended on a day, and how many kept the promise."""

    zone: int
    day: date
    intervals: int
    kept: int


@dataclass(frozen=True)
class Sample:
    """What a sample of videos shows of the collection."""

    videos: int
    days: Sequence[SampledInterval]
    breaks: Sequence[tuple[datetime, datetime]]
    """Whole hours, from and to, in which one of them waited for longer than was promised and none was read."""


class PageReader:
    """Streams videos from one read-only snapshot of the database."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def count(self) -> int:
        """Return how many videos can be ranked."""
        with map_driver_errors():
            number: int = await self._connection.fetchval(sql("report_page/count_ranked"), timeout=_LONG)
        return number

    async def ranked(self, limit: int) -> AsyncIterator[Sequence[VideoGrowth]]:
        """Yield the fastest videos in batches, the fastest first."""
        async for batch in self._batches(sql("report_page/list_ranked"), limit):
            yield [_ranked(row) for row in batch]

    async def readings(self, since: datetime, limit: int | None) -> AsyncIterator[Sequence[Readings]]:
        """Yield the readings of videos since a time in batches, in no order; ``limit``: of the fastest alone."""
        if limit is None:
            batches = self._batches(sql("report_page/list_readings"), since)
        else:
            batches = self._batches(sql("report_page/list_readings_of_fastest"), since, limit)
        async for batch in batches:
            yield [_readings(row) for row in batch]

    async def _batches(self, statement: str, *arguments: Any) -> AsyncIterator[Sequence[asyncpg.Record]]:
        with map_driver_errors(statement=statement):
            cursor = await self._connection.cursor(statement, *arguments, timeout=_LONG)
        while True:
            with map_driver_errors():
                batch = await cursor.fetch(_ROWS, timeout=_LONG)
            if not batch:
                return
            yield batch


class ReportPageDAO:
    """Reads, and changes nothing. Times are of the schedule clock, but those of ``runs``, which are turned into it."""

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    @contextlib.asynccontextmanager
    async def reader(self) -> AsyncIterator[PageReader]:
        """Open a connection of its own for the streams."""
        async with self._db.snapshot(sql("report_page/transaction_settings")) as connection:
            yield PageReader(connection)

    async def breakouts_number(self, since: datetime) -> tuple[int, int]:
        """Return how many breakouts were detected since a time, and how many of all have not ended."""
        (row,) = await self._db.fetch(sql("report_page/count_breakouts"), since)
        return row["number"], row["open_now"]

    async def days(self, since: datetime, until: datetime, zone: str) -> dict[date, Day]:
        """Return what was discovered on each day of a time zone; days without anything are left out."""
        counted = await self._db.fetch(
            *bind("report_page/count_days", since=since, until=until, zone=zone), seconds=_LONG
        )
        place = ZoneInfo(zone)
        searches: Counter[date] = Counter()
        for row in await self._db.fetch(sql("report_page/list_searches"), _real(since), _SEARCHES):
            searches[clock.at(row["started_at"]).astimezone(place).date()] += row["searches"]
        found = {row["day"]: row for row in counted}
        return {
            day: Day(day, found[day]["new_videos"], searches[day], found[day]["breakouts"])
            if day in found
            else Day(day, 0, searches[day], 0)
            for day in found.keys() | searches.keys()
        }

    async def queries(self, limit: int) -> Listed[QueryYield]:
        """Return the searched queries that brought most new videos."""
        rows = await self._db.fetch(sql("report_page/list_queries"), limit, seconds=_LONG)
        return _listed(rows, lambda row: QueryYield(**{name: row[name] for name in QueryYield.__dataclass_fields__}))

    async def runs(self, since: datetime, limit: int) -> Listed[RunMark]:
        """Return the latest runs, the newest first."""
        return _listed(await self._db.fetch(sql("report_page/list_runs"), _real(since), limit), _run)

    async def search_gaps(self, since: datetime, limit: int) -> Listed[SearchGap]:
        """Return the latest parts of search windows that were not read."""
        return _listed(await self._db.fetch(sql("report_page/list_search_gaps"), since, limit), _gap)

    async def freezes(self, since: datetime, limit: int) -> list[Freeze]:
        """Return the latest freezes that were not over at a time, oldest first."""
        return [Freeze(**row) for row in await self._db.fetch(sql("report_page/list_freezes"), since, limit)]

    async def sample(self, number: int, since: datetime, zone: str) -> Sample:
        """Return what at most so many tracked videos, chosen by chance, show of the collection since a time.

        An interval counts to the zone that the video had at its beginning, and to the day of its end.
        """
        videos = await self._db.fetch(sql("report_page/sample_videos"), number, seconds=_LONG)
        born = {row["id"]: row["born"].timestamp() for row in videos}
        found = _Sampled(since.timestamp(), clock.now().timestamp())
        ids = list(born)
        for start in range(0, len(ids), _SAMPLE_AT_ONCE):
            part = ids[start : start + _SAMPLE_AT_ONCE]
            for row in await self._db.fetch(sql("report_page/list_times"), part, since, seconds=_LONG):
                found.add(born[row["id"]], row["at"] or ())
        return Sample(len(videos), found.by_day(ZoneInfo(zone)), found.breaks())


class _Sampled:
    """Counts the intervals of videos. Times are seconds since 1970."""

    def __init__(self, since: float, now: float) -> None:
        self._since, self._now = since, now
        self._zones = [
            (
                zone.number,
                zone.below.total_seconds() if zone.below else math.inf,
                policy.promise(zone.interval) / _SECOND,
            )
            for zone in policy.ZONES
        ]
        self._kept: Counter[tuple[int, int]] = Counter()  # by zone and hour, and a day begins with an hour or nearly
        self._intervals: Counter[tuple[int, int]] = Counter()
        self._read: set[int] = set()  # hours
        self._waited: set[int] = set()

    def add(self, born: float, times: Sequence[int]) -> None:
        before = times[0] if times else max(born, self._since)
        self._read.update(at // _HOUR for at in times)
        for at in times[1:]:
            zone, promise = self._promise(before - born)
            self._intervals[zone, at // _HOUR] += 1
            self._kept[zone, at // _HOUR] += at - before <= promise
            self._wait(before + promise, at)
            before = at
        self._wait(before + self._promise(before - born)[1], self._now)

    def _promise(self, age: float) -> tuple[int, float]:
        return next((number, promise) for number, below, promise in self._zones if age < below)

    def _wait(self, begin: float, end: float) -> None:
        """Note the whole hours in which a video waited for longer than was promised."""
        if begin < end:
            self._waited.update(range(math.ceil(begin / _HOUR), int(end // _HOUR)))

    def by_day(self, zone: ZoneInfo) -> list[SampledInterval]:
        sums: dict[tuple[int, date], list[int]] = {}
        for (number, hour), amount in self._intervals.items():
            each = sums.setdefault((number, datetime.fromtimestamp(hour * _HOUR, zone).date()), [0, 0])
            each[0] += amount
            each[1] += self._kept[number, hour]
        return [SampledInterval(number, day, *both) for (number, day), both in sorted(sums.items())]

    def breaks(self) -> list[tuple[datetime, datetime]]:
        """Return the times in which a video waited and none was read, in whole hours, oldest first."""
        found: list[tuple[datetime, datetime]] = []
        for hour in sorted(self._waited - self._read):
            begin, end = (datetime.fromtimestamp((hour + more) * _HOUR, UTC) for more in (0, 1))
            if found and found[-1][1] == begin:
                begin = found.pop()[0]
            found.append((begin, end))
        return found


def _real(at: datetime) -> datetime:
    """Return the real time of a past schedule time, at most ten years ago, for a clock that nearly stands."""
    return clock.real() - timedelta(seconds=min(clock.real_seconds(clock.now() - at), _TEN_YEARS / _SECOND))


def _listed(rows: Sequence[Mapping[str, Any]], made: Any) -> Listed[Any]:
    found: Listed[Any] = Listed(made(row) for row in rows)
    found.number = rows[0]["number"] if rows else 0
    return found


def _ranked(row: asyncpg.Record) -> VideoGrowth:
    (
        video_id, title, channel_id, channel, kind, zone, published_at, observed_at, views, rate, rate_6h, rate_24h,
        usual, score, breakout_at, low_24h, in_24h, high_24h, low_7d, in_7d, high_7d,
    ) = row  # fmt: skip
    return VideoGrowth(
        video_id, title, channel_id, channel, KINDS[kind], zone, published_at, observed_at, views, rate, rate_6h,
        rate_24h, usual, score, breakout_at,
        None if in_24h is None else Forecast(low_24h, in_24h, high_24h),
        None if in_7d is None else Forecast(low_7d, in_7d, high_7d),
    )  # fmt: skip


def _readings(row: asyncpg.Record) -> Readings:
    video_id, packed = row
    packed.sort()
    return Readings(video_id, [each >> 40 for each in packed], [each & (_VIEWS - 1) for each in packed])


def _run(row: Mapping[str, Any]) -> RunMark:
    stats = row["stats"] if isinstance(row["stats"], dict) else {}
    ended = row["finished_at"]
    return RunMark(
        started_at=clock.at(row["started_at"]), agent=row["agent"], shard=row["shard"], wave=row["wave"],
        outcome=row["outcome"], seconds=(ended - row["started_at"]).total_seconds() if ended else None,
        new_videos=_whole(stats.get("videos_new")) if row["agent"] == "hunter" else None,
        updated=_whole(stats.get("updated")) if row["agent"] == "tracker" else None, error=row["error"], url=row["url"],
    )  # fmt: skip


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def _gap(row: Mapping[str, Any]) -> SearchGap:
    payload = row["payload"]
    return SearchGap(
        row["at"], str(payload.get("query_term", "")), _time(payload.get("published_after")),
        _time(payload.get("published_before")), str(payload.get("reason", "")),
    )  # fmt: skip


def _time(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None
