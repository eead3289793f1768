"""ExportDAO: tables and views as streams, each in one read-only snapshot, with bounded memory."""

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

__all__ = ["Column", "ExportDAO", "Exported"]

_ROWS = 2_000  # that one fetch of a cursor brings
_LONG = 30 * 86_400.0  # seconds: the driver's own limit is that of short statements


class Exported(StrEnum):
    """What can be exported. Keys, their suspensions and the counts of calls are not among it."""

    VIDEOS = "videos"
    CHANNELS = "channels"
    VIDEO_STATS_LOG = "video_stats_log"
    SEARCH_QUEUE = "search_queue"
    EVENTS = "events"
    RUNS = "runs"
    COUNT_FREEZES = "count_freezes"
    VIDEO_VELOCITY = "video_velocity"
    VIDEO_STATS_HOURLY = "video_stats_hourly"
    VIDEO_STATS_DAILY = "video_stats_daily"


_STATEMENTS: dict[Exported, Callable[[str], str]] = {
    Exported.VIDEOS: lambda tags: sql("export/export_videos", tags=tags),
    Exported.CHANNELS: lambda _: sql("export/export_channels"),
    Exported.VIDEO_STATS_LOG: lambda _: sql("export/export_video_stats_log"),
    Exported.SEARCH_QUEUE: lambda _: sql("export/export_search_queue"),
    Exported.EVENTS: lambda _: sql("export/export_events"),
    Exported.RUNS: lambda _: sql("export/export_runs"),
    Exported.COUNT_FREEZES: lambda _: sql("export/export_count_freezes"),
    Exported.VIDEO_VELOCITY: lambda _: sql("export/export_video_velocity"),
    Exported.VIDEO_STATS_HOURLY: lambda _: sql("export/export_video_stats_hourly"),
    Exported.VIDEO_STATS_DAILY: lambda _: sql("export/export_video_stats_daily"),
}


@dataclass(frozen=True)
class Column:
    """A column of an export.

    Attributes:
        type: PostgreSQL's name of its type, such as ``int8`` or ``text[]``.
    """

    name: str
    type: str


class _SinkFailedError(Exception):
    """Around what a sink raised, so that it is not taken for an error of the database."""


class ExportDAO:
    """Reads on a connection of its own, and changes nothing. Constructing it does no I/O.

    Args:
        store: another database than the process's own, for tests.
    """

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
        """Gives the rows to the sink as CSV (UTF-8, with a header), in pieces as the server sends them.

        Times are written as `atlas.times.iso` writes them, always with microseconds: pandas takes the form of a column
        from its first row, and leaves the column as text where another row has another form.

        Args:
            sink: takes bytes. What it raises ends the export, and comes out of here as it is.
            since, until: of the table's own time; until is not included.
            escape_formulas: put a ``'`` before each text that a spreadsheet would take for a formula, and before each
                that begins with ``'``, so that taking away one leading ``'`` gives the text back.

        Returns:
            the number of rows.
        """

        async def give(piece: bytes) -> None:
            try:
                sink(piece)
            except Exception as error:
                raise _SinkFailedError from error

        try:
            async with self._snapshot() as connection:
                query = _STATEMENTS[table]("text")
                with map_driver_errors():
                    columns = (await connection.prepare(query, timeout=_LONG)).get_attributes()
                    names, types = [column.name for column in columns], [column.type.name for column in columns]
                    query = await connection.fetchval(
                        sql("export/export_as_text"), query, names, types, escape_formulas
                    )
                    status: str = await connection.copy_from_query(
                        query, since, until, output=give, format="csv", header=True, timeout=_LONG
                    )
        except _SinkFailedError as error:
            raise error.__cause__ or error from None
        return int(status.removeprefix("COPY "))

    @contextlib.asynccontextmanager
    async def rows(
        self, table: Exported, *, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[tuple[list[Column], AsyncIterator[Sequence[asyncpg.Record]]]]:
        """The columns, and the rows in batches. Values are as the driver has them, JSON as text.

        Args:
            since, until: as of ``csv``.
        """
        async with self._snapshot() as connection:
            with map_driver_errors():
                statement = await connection.prepare(_STATEMENTS[table]("list"), timeout=_LONG)
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

    @contextlib.asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection in a read-only transaction that sees one moment. Any error breaks it off."""
        await self._db.open()  # looks at the schema
        connection = await self._db.connect()
        try:
            with map_driver_errors():
                transaction = connection.transaction(isolation="repeatable_read", readonly=True)
                await transaction.start()
                await connection.execute(sql("export/export_settings"))
            yield connection
            with map_driver_errors():
                await transaction.commit()
                await connection.close()
        finally:
            connection.terminate()  # after an error the server may be in the middle of sending
