"""KeyDAO: what people see of the key rings, and how they lift a suspension."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from atlas.clock import clock
from atlas.config import settings
from atlas.database import Database, database
from atlas.keypool import RINGS, KeyPool, fingerprint
from atlas.quota import Bucket, quota_day
from atlas.statements import sql

__all__ = ["BucketReport", "KeyDAO", "KeyReport"]


@dataclass(frozen=True)
class BucketReport:
    """One bucket of one project.

    Attributes:
        reserved: calls counted today (Pacific).
        setting: the calls a day that reports reckon with.
        named: the limit that YouTube last named, or None.
        until: until when it is suspended (schedule clock, UTC), or None.
    """

    bucket: str
    reserved: int
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


class KeyDAO:
    """Reads and lifts. Constructing it does no I/O."""

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def report(self, pool: KeyPool) -> list[KeyReport]:
        """The keys of the pool in the order of the rings, those of one project together."""
        rings: dict[str, list[str]] = defaultdict(list)
        for ring in RINGS:
            for secret in pool[ring]:
                rings[fingerprint(secret)].append(ring)
        prints, now = list(rings), clock.now()
        projects = {row["fingerprint"]: row["project"] for row in await self._db.fetch(sql("key_projects"), prints)}
        suspended = {
            (row["fingerprint"], row["bucket"]): row
            for row in await self._db.fetch(sql("load_suspensions"), prints, now, pool.version())
        }
        named = {
            (row["fingerprint"], row["bucket"]): row["quota_limit"]
            for row in await self._db.fetch(sql("key_limits"), prints)
        }
        spent = {
            (row["fingerprint"], row["bucket"]): row["reserved"]
            for row in await self._db.fetch(sql("key_usage"), quota_day(now), prints)
        }
        together: dict[str, list[str]] = defaultdict(list)
        for key in prints:
            together[f"project {projects[key]}" if key in projects else key].append(key)
        reports = []
        for members in together.values():
            buckets = []
            for bucket in Bucket:
                rows = [row for m in members for name in ("*", bucket) if (row := suspended.get((m, name)))]
                limits = [limit for m in members if (limit := named.get((m, bucket))) is not None]
                row = max(rows, key=lambda row: row["suspended_until"], default=None)
                buckets.append(
                    BucketReport(
                        bucket=bucket,
                        reserved=sum(spent.get((m, bucket), 0) for m in members),
                        setting=settings.quota_per_day(bucket),
                        named=max(limits, default=None),
                        until=row["suspended_until"] if row else None,
                        reason=row["reason"] if row else None,
                    )
                )
            names = tuple(dict.fromkeys(ring for m in members for ring in rings[m]))
            reports.append(KeyReport(tuple(members), names, projects.get(members[0]), tuple(buckets)))
        return reports

    async def resume(self, prefix: str) -> list[str]:
        """Lifts every suspension of the keys whose fingerprint begins so. Returns a line for each."""
        rows = await self._db.fetch(sql("resume_key"), prefix.lower())
        return sorted(f"{row['fingerprint']} {row['bucket']}: {row['reason']}" for row in rows)
