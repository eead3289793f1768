"""ExpiryDAO: what the Janitor would delete, with the reasons, and whether that is more than a run may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from atlas.adapters.retention import Limits
from atlas.clock import clock
from atlas.config import settings
from atlas.database import Database, database
from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql

__all__ = ["ALWAYS_ALLOWED", "Example", "Expired", "ExpiryDAO", "Outlook"]

ALWAYS_ALLOWED = 1_000
"""Rows of a table, or records of the archive: below this a share says nothing."""
_MISSED_DAYS = 1.5  # a run that comes late may delete what the days without one have left, and half as much again
_COUNTED = 100_000  # rows of a table: beyond them the server's statistics are asked
_SAMPLE = 5
_LONGEST_SILENCE = timedelta(days=15)
"""Real time in which no process began: more of it gives a run no larger bound. To a database a long rest looks like a
clock that is ahead, by which all would be too old."""


@dataclass(frozen=True)
class Example:
    """A row that is too old."""

    id: str
    title: str | None


@dataclass(frozen=True)
class Expired:
    """Rows of a table that are too old for one reason.

    Attributes:
        sample: the first few of them; of snapshots none.
    """

    table: str
    reason: str
    rows: int
    sample: Sequence[Example] = ()


@dataclass(frozen=True)
class Outlook:
    """What a run would delete.

    Attributes:
        expired: by table and reason.
        totals: table → its rows.
        days: from the last run that came to its end until the first one after it that was refused, or until now, of a
            time without any process no more than 15; None: there was none, or its row has expired.
        limits: what was looked for.
    """

    expired: Sequence[Expired]
    totals: Mapping[str, int]
    days: float | None
    limits: Limits

    def share(self, max_share: float, table: str) -> float:
        """Return the share of a table, or of the days of the ``archive``, that a run may delete."""
        return max(max_share, _MISSED_DAYS * (self.days or 0) / _retention_days(table))

    def beyond(self, max_share: float) -> list[str]:
        """Return one line for each table of which a run would delete more than it may, in words."""
        found: dict[str, int] = {}
        for part in self.expired:
            found[part.table] = found.get(part.table, 0) + part.rows
        lines = []
        for table, rows in found.items():
            share = self.share(max_share, table)
            total = max(self.totals[table], rows)
            if rows > ALWAYS_ALLOWED and rows > share * total:
                lines.append(f"{rows:,} of {total:,} rows of {table} ({rows / total:.0%}, bound {share:.0%})")
        return lines


class ExpiryDAO:
    """Reads, and changes nothing. Constructing it does no I/O.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def outlook(self) -> Outlook:
        """Look at every table. Rows that shards hold count too; snapshots that go with a younger video do not."""
        limits = Limits.now()
        rows = await self._db.fetch(
            sql("retention/expired_rows"), limits.metadata, limits.retired, limits.snapshots if limits.keeps_counts
            else None,
            limits.events, limits.runs, limits.told, limits.calls, _SAMPLE, limits.snapshots,
            seconds=WHOLE_TABLE,
        )  # fmt: skip
        samples: dict[tuple[str, str, int], list[Example]] = {}
        for row in rows:
            samples.setdefault((row["table_name"], row["reason"], row["rows"]), []).append(
                Example(row["id"], row["title"])
            )
        (older,) = await self._db.fetch(sql("snapshots/maintenance/count_older"), limits.snapshots, seconds=WHOLE_TABLE)
        expired = [Expired("video_stats_log", "statistics", older["count"])] if older["count"] else []
        expired += [Expired(*key, sample) for key, sample in samples.items()]
        (run,) = await self._db.fetch(sql("retention/last_good_run"), "janitor", _LONGEST_SILENCE / clock.speed)
        days = None if run["days"] is None else run["days"] * clock.speed
        return Outlook(expired, await self._totals({part.table for part in expired}), days, limits)

    async def _totals(self, tables: set[str]) -> dict[str, int]:
        counted = {row["name"]: row for row in await self._db.fetch(sql("report/report_tables"), _COUNTED)}
        totals = {}
        for table in tables:
            if table not in counted:
                (row,) = await self._db.fetch(sql("snapshots/common/count_rows", table=table), seconds=WHOLE_TABLE)
                totals[table] = row["count"]
            elif counted[table]["counted"] < _COUNTED:
                totals[table] = counted[table]["counted"]
            else:
                totals[table] = max(_COUNTED, counted[table]["estimated"])
        return totals


def _retention_days(table: str) -> int:
    if table in {"video_stats_log", "count_freezes"}:
        return settings.retention_statistics_days
    if table in {"videos", "channels", "search_queue", "archive"}:
        return settings.retention_metadata_days
    return settings.retention_events_days
