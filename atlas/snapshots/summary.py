"""What the snapshots are in now, for `atlas status`: looks at a part or two, however many there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql
from atlas.db.server_info import Inspection, Storage
from atlas.snapshots import hypertable, moving, partitions
from atlas.snapshots.moving import Purpose
from atlas.snapshots.partitions import Range

__all__ = ["COUNTED", "Summary", "summarize"]

COUNTED = 100_000
"""Rows of the default partition are counted no further."""


@dataclass(frozen=True)
class Summary:
    """The snapshots as they were found.

    Attributes:
        parts: partitions but the default one, or chunks.
        oldest, newest: of the snapshots (schedule time, UTC); None where there are none.
        in_default: rows of the default partition, up to 100,000 of them; None where this user may not read it.
        copying: what they are being copied for.
        copied: the share of that which is done, from 0 to 1.
        views: the views over them that are there → whether TimescaleDB keeps its rows; others are computed when read.
    """

    parts: int
    oldest: datetime | None
    newest: datetime | None
    in_default: int | None
    copying: Purpose | None
    copied: float
    views: dict[str, bool]


async def summarize(connection: asyncpg.Connection, found: Inspection) -> Summary:
    """Looks, and changes nothing."""
    plain = found.storage is not Storage.HYPERTABLE
    parts = await (partitions.attached if plain else hypertable.chunks)(connection)
    ends = [await _first(connection, parts, "oldest"), await _first(connection, reversed(parts), "newest")]
    in_default: int | None = 0
    if plain and (default := await partitions.default(connection)) is not None:
        try:
            in_default = await connection.fetchval(sql("snapshots/maintenance/count_up_to", table=default), COUNTED)
            if in_default:
                span = await connection.fetchrow(sql("snapshots/common/time_range", table=default), timeout=WHOLE_TABLE)
                ends += span["oldest"], span["newest"]
        except asyncpg.InsufficientPrivilegeError:
            in_default = None
    times = [end for end in ends if end is not None]
    job = await moving.under_way(connection)
    left = await connection.fetch(sql("snapshots/common/list_copy_parts"), job.id) if job else []
    pages = sum(part["pages"] for part in left)
    return Summary(
        parts=len(parts),
        oldest=min(times, default=None),
        newest=max(times, default=None),
        in_default=in_default,
        copying=job.purpose if job else None,
        copied=1 - sum(part["remaining"] for part in left) / pages if pages else 1.0,
        views={row["name"]: row["continuous"] for row in await connection.fetch(sql("snapshots/common/list_views"))},
    )


async def _first(connection: asyncpg.Connection, parts: Iterable[Range], end: str) -> datetime | None:
    """One end of what the parts hold: that of the first part which holds anything."""
    for part in parts:
        row = await connection.fetchrow(
            sql("snapshots/maintenance/time_range_within"), part.lower, part.upper, timeout=WHOLE_TABLE
        )
        if row[end] is not None:
            at: datetime = row[end]
            return at.astimezone(UTC)
    return None
