"""KeyDAO: what people and plans see of the key rings, and how a suspension is lifted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from atlas.clock import clock
from atlas.config import settings
from atlas.config.keypool import RINGS, KeyPool, fingerprint
from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.errors import KeysRejected
from atlas.quota.buckets import Bucket, quota_day, quota_reset
from atlas.quota.suspensions import WHOLE_KEY, Suspension, load_suspensions

__all__ = ["BucketReport", "CallsLeft", "KeyDAO", "KeyReport", "Lifted"]


@dataclass(frozen=True)
class BucketReport:
    """One bucket of one project.

    Attributes:
        spent: calls of today (Pacific) that cost quota, those in flight too.
        refused: calls of today that YouTube refused for quota, rate or key: they cost nothing.
        setting: the calls a day that reports reckon with.
        named: the limit that YouTube last named, or None.
        until: until when it is suspended (schedule clock, UTC), or None.
    """

    bucket: str
    spent: int
    refused: int
    setting: int
    named: int | None
    until: datetime | None
    reason: str | None


@dataclass(frozen=True)
class KeyReport:
    """One key, or the keys that are known to share a project and with it the quota."""

    fingerprints: tuple[str, ...]
    rings: tuple[str, ...]
    project: str | None
    buckets: tuple[BucketReport, ...]


@dataclass(frozen=True)
class CallsLeft:
    """What the keys of a ring can still spend today.

    Attributes:
        number: bucket → calls.
        until: bucket → when the first spent calls come back (schedule clock, UTC).
    """

    number: Mapping[Bucket, int]
    until: Mapping[Bucket, datetime]


class Lifted(NamedTuple):
    """A suspension that was lifted; ``bucket`` is ``*`` for that of the whole key."""

    fingerprint: str
    bucket: str
    reason: str

    def __str__(self) -> str:
        return f"{self.fingerprint} {self.bucket}: {self.reason}"


@dataclass(frozen=True)
class _Books:
    """What the database knows of the keys of a pool, by fingerprint (and bucket).

    Attributes:
        groups: the keys, those that are known to share a project together.
        usage: calls of today (Pacific): ``spent`` and ``refused``.
    """

    at: datetime
    groups: Sequence[Sequence[str]]
    projects: Mapping[str, str]
    suspended: Mapping[tuple[str, str], Suspension]
    named: Mapping[tuple[str, str], int]
    usage: Mapping[tuple[str, str], Mapping[str, int]]

    def calls(self, group: Sequence[str], bucket: Bucket, what: str) -> int:
        return sum(row[what] for key in group if (row := self.usage.get((key, bucket))))

    def limit_named(self, group: Sequence[str], bucket: Bucket) -> int | None:
        limits = [limit for key in group if (limit := self.named.get((key, bucket))) is not None]
        return max(limits, default=None)


class KeyDAO:
    """Reads and lifts. Constructing it does no I/O."""

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def report(self, pool: KeyPool) -> list[KeyReport]:
        """The keys of the pool in the order of the rings, those of one project together."""
        members = {ring: set(_prints(pool, ring)) for ring in RINGS}
        books = await self._read(pool)
        reports = []
        for group in books.groups:
            buckets = []
            for bucket in Bucket:
                rows = [row for m in group for name in (WHOLE_KEY, bucket) if (row := books.suspended.get((m, name)))]
                row = max(rows, key=lambda row: row.until, default=None)
                buckets.append(
                    BucketReport(
                        bucket=bucket,
                        spent=books.calls(group, bucket, "spent"),
                        refused=books.calls(group, bucket, "refused"),
                        setting=settings.quota_per_day(bucket),
                        named=books.limit_named(group, bucket),
                        until=row.until if row else None,
                        reason=row.reason if row else None,
                    )
                )
            names = tuple(dict.fromkeys(ring for m in group for ring in RINGS if m in members[ring]))
            reports.append(KeyReport(tuple(group), names, books.projects.get(group[0]), tuple(buckets)))
        return reports

    async def calls_left(self, pool: KeyPool, ring: str) -> CallsLeft:
        """What the keys of a ring can still spend today, those of one project counted once.

        Reckoned for each project: the calls a day of the setting, or of the limit that YouTube named where that is
        lower, without those that were spent today; refused calls cost nothing. A bucket that is suspended has none
        left, and a key that is suspended whole adds nothing.

        Raises:
            KeysRejected: every key of the ring is wrong or blocked.
        """
        books, members = await self._read(pool), _prints(pool, ring)
        rejected = {key: row.reason for key in members if (row := books.suspended.get((key, WHOLE_KEY)))}
        if rejected and len(rejected) == len(members):
            raise KeysRejected(ring, rejected)
        number = dict.fromkeys(Bucket, 0)
        until: dict[Bucket, list[datetime]] = {bucket: [] for bucket in Bucket}
        for group in books.groups:
            if all(key in rejected or key not in members for key in group):
                continue
            for bucket in Bucket:
                rows = [row for key in group if (row := books.suspended.get((key, bucket)))]
                setting, named = settings.quota_per_day(bucket), books.limit_named(group, bucket)
                limit = setting if named is None else min(setting, named)
                if rows:
                    until[bucket].append(max(row.until for row in rows))
                else:
                    number[bucket] += max(0, limit - books.calls(group, bucket, "spent"))
                    until[bucket].append(quota_reset(books.at))
        return CallsLeft(number, {bucket: min(times, default=quota_reset(books.at)) for bucket, times in until.items()})

    async def _read(self, pool: KeyPool) -> _Books:
        prints, now = _prints(pool, *RINGS), clock.now()
        projects = {
            row["fingerprint"]: row["project"] for row in await self._db.fetch(sql("quota/key_projects"), prints)
        }
        named = await self._db.fetch(sql("quota/key_limits"), prints)
        usage = await self._db.fetch(sql("quota/key_usage"), quota_day(now), prints)
        together: dict[str, list[str]] = defaultdict(list)
        for key in prints:
            together[f"project {projects[key]}" if key in projects else key].append(key)
        return _Books(
            at=now,
            groups=list(together.values()),
            projects=projects,
            suspended=await load_suspensions(self._db, prints, pool.version()),
            named={(row["fingerprint"], row["bucket"]): row["quota_limit"] for row in named},
            usage={(row["fingerprint"], row["bucket"]): row for row in usage},
        )

    async def resume(self, *prefixes: str) -> list[Lifted]:
        """Lift every suspension of the keys whose fingerprint begins so, and of the keys of their projects."""
        rows = await self._db.fetch(sql("quota/resume_key"), [prefix.lower() for prefix in prefixes], clock.now())
        return sorted(Lifted(row["fingerprint"], row["bucket"], row["reason"]) for row in rows)

    async def resume_ring(self, pool: KeyPool, ring: str) -> list[Lifted]:
        """Lift every suspension of the keys of a ring, and of the keys of their projects."""
        return await self.resume(*_prints(pool, ring))


def _prints(pool: KeyPool, *rings: str) -> list[str]:
    """The fingerprints of the rings' keys, each once, in their order."""
    return list(dict.fromkeys(fingerprint(key) for ring in rings for key in pool[ring]))
