"""Summarize for `atlas status` how the snapshots are stored; reads one or two parts only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql
from atlas.db.server_info import Inspection, Storage
from atlas.snapshots import hypertable, partitions
from atlas.snapshots.partitions import Range

COUNTED = 100_000
"""Rows of the default partition are counted up to this number."""


@dataclass(frozen=True)
class Summary:
    """The snapshots as they were found; times are schedule times (UTC)."""

    parts: int  # partitions except the default one, or chunks
    oldest: datetime | None
    newest: datetime | None
    in_default: int | None  # rows of the default partition, up to COUNTED; None if this user may not read it
    views: dict[str, bool]  # existing views → whether TimescaleDB stores their rows; others are computed when read


async def summarize(connection: asyncpg.Connection, found: Inspection) -> Summary:
    """Summarize the snapshots without changing anything."""
    plain = found.storage is not Storage.HYPERTABLE
    parts = await (partitions.attached if plain else hypertable.chunks)(connection)
    ends = [await _first(connection, parts, "oldest"), await _first(connection, reversed(parts), "newest")]
    in_default: int | None = 0
    if plain and (default := await partitions.default(connection)) is not None:
        try:
            in_default = await connection.fetchval(sql("snapshots/maintenance/count_up_to", table=default), COUNTED)
            if in_default:
                ends += await connection.fetchrow(
                    sql("snapshots/common/time_range", table=default), timeout=WHOLE_TABLE
                )
        except asyncpg.InsufficientPrivilegeError:
            in_default = None
    times = [end for end in ends if end is not None]
    return Summary(
        parts=len(parts),
        oldest=min(times, default=None),
        newest=max(times, default=None),
        in_default=in_default,
        views={row["name"]: row["continuous"] for row in await connection.fetch(sql("snapshots/common/list_views"))},
    )


async def _first(connection: asyncpg.Connection, parts: Iterable[Range], end: str) -> datetime | None:
    """Return the given end of the first part that has a row."""
    for part in parts:
        row = await connection.fetchrow(
            sql("snapshots/maintenance/time_range_within"), part.lower, part.upper, timeout=WHOLE_TABLE
        )
        if row[end] is not None:
            at: datetime = row[end]
            return at.astimezone(UTC)
    return None
