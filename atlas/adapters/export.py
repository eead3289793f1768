"""ExportDAO: stream tables and views, each from one read-only snapshot, in bounded memory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import asyncpg

from atlas.database import Database, database
from atlas.db.errors import map_driver_errors
from atlas.db.queries import sql

_ROWS = 2_000  # of one fetch from a cursor
_LONG = 30 * 86_400.0  # seconds, instead of the limit of short statements


class Exported(StrEnum):
    """What can be exported: neither keys nor their suspensions nor the counts of calls."""

    VIDEOS = "videos"
    CHANNELS = "channels"
    VIDEO_STATS_LOG = "video_stats_log"
    SEARCH_QUEUE = "search_queue"
    EVENTS = "events"
    RUNS = "runs"
    COUNT_FREEZES = "count_freezes"
    VIDEO_GROWTH = "video_growth"
    BREAKOUTS = "breakouts"
    VIDEO_VELOCITY = "video_velocity"
    VIDEO_STATS_HOURLY = "video_stats_hourly"
    VIDEO_STATS_DAILY = "video_stats_daily"


STATEMENTS: dict[Exported, Callable[[str], str]] = {
    # how tags are written differs between CSV and Parquet
    Exported.VIDEOS: lambda tags: sql("export/export_videos", tags=tags),
    Exported.CHANNELS: lambda _: sql("export/export_channels"),
    Exported.VIDEO_STATS_LOG: lambda _: sql("export/export_video_stats_log"),
    Exported.SEARCH_QUEUE: lambda _: sql("export/export_search_queue"),
    Exported.EVENTS: lambda _: sql("export/export_events"),
    Exported.RUNS: lambda _: sql("export/export_runs"),
    Exported.COUNT_FREEZES: lambda _: sql("export/export_count_freezes"),
    Exported.VIDEO_GROWTH: lambda _: sql("export/export_video_growth"),
    Exported.BREAKOUTS: lambda _: sql("export/export_breakouts"),
    Exported.VIDEO_VELOCITY: lambda _: sql("export/export_view", view="video_velocity", time="observed_at"),
    Exported.VIDEO_STATS_HOURLY: lambda _: sql("export/export_view", view="video_stats_hourly", time="bucket"),
    Exported.VIDEO_STATS_DAILY: lambda _: sql("export/export_view", view="video_stats_daily", time="bucket"),
}


@dataclass(frozen=True)
class Column:
    """A column of an export; its type by PostgreSQL's name, such as ``int8`` or ``text[]``."""

    name: str
    type: str


class _SinkFailedError(Exception):
    """Wrap what a sink raised, to tell it from an error of the database."""


class ExportDAO:
    """Read on a connection of its own. Constructing it does no I/O."""

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def csv(
        self,
        table: Exported,
        sink: Callable[[bytes], None],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        escape_formulas: bool = False,
    ) -> int:
        """Write the rows to the sink as CSV (UTF-8, with a header), in pieces. Return the number of rows.

        Times always have microseconds: pandas infers the format of a column from its first row.

        Args:
            sink: what it raises ends the export and is raised here.
            since, until: of the table's own time; until is not included.
            escape_formulas: put a ``'`` before each text that a spreadsheet would take for a formula, and before each
                that begins with ``'``: removing one leading ``'`` restores the text.
        """

        async def write(piece: bytes) -> None:
            try:
                sink(piece)
            except Exception as error:
                raise _SinkFailedError from error

        try:
            async with self._db.snapshot(sql("export/export_settings")) as connection:
                query = STATEMENTS[table]("text")
                with map_driver_errors():
                    columns = (await connection.prepare(query, timeout=_LONG)).get_attributes()
                    names, types = [column.name for column in columns], [column.type.name for column in columns]
                    query = await connection.fetchval(
                        sql("export/export_as_text"), query, names, types, escape_formulas
                    )
                    status: str = await connection.copy_from_query(
                        query, since, until, output=write, format="csv", header=True, timeout=_LONG
                    )
        except _SinkFailedError as error:
            raise error.__cause__ or error from None
        return int(status.removeprefix("COPY "))

    @contextlib.asynccontextmanager
    async def rows(
        self, table: Exported, *, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[tuple[list[Column], AsyncIterator[Sequence[asyncpg.Record]]]]:
        """Open the columns, and the rows in batches. Values are the driver's, JSON is text."""
        async with self._db.snapshot(sql("export/export_settings")) as connection:
            with map_driver_errors():
                statement = await connection.prepare(STATEMENTS[table]("list"), timeout=_LONG)
                cursor = await statement.cursor(since, until, timeout=_LONG)
            columns = [Column(attribute.name, attribute.type.name) for attribute in statement.get_attributes()]

            async def batches() -> AsyncIterator[Sequence[asyncpg.Record]]:
                while True:
                    with map_driver_errors():
                        batch = await cursor.fetch(_ROWS, timeout=_LONG)
                    if not batch:
                        return
                    yield batch

            yield columns, batches()
