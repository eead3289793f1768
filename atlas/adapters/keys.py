"""Report the key rings to people and plans, and lift suspensions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from atlas.clock import clock
from atlas.config import settings
from atlas.config.keypool import RINGS, KeyPool, fingerprint
from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.errors import KeysRejected
from atlas.keyring import WHOLE_KEY, Suspension, load_suspensions
from atlas.quota.buckets import Bucket, quota_day, quota_reset


@dataclass(frozen=True)
class BucketReport:
    """One bucket of one project: the calls of today (Pacific), its limit, and its suspension if there is one."""

    bucket: str
    spent: int
    """Including those in flight."""
    refused: int
    """Calls that cost nothing: YouTube refused them for quota, rate or key."""
    setting: int
    """The calls per day of the setting."""
    named: int | None
    """The limit that YouTube last named."""
    until: datetime | None
    """Schedule clock, UTC."""
    reason: str | None

    @property
    def limit(self) -> int:
        """Return the calls per day: of the setting, or what YouTube named if that is lower."""
        return _limit(self.setting, self.named)


@dataclass(frozen=True)
class KeyReport:
    """One key, or the keys that are known to share a project and with it the quota."""

    fingerprints: tuple[str, ...]
    rings: tuple[str, ...]
    project: str | None
    buckets: tuple[BucketReport, ...]


@dataclass(frozen=True)
class CallsLeft:
    """What the keys of a ring can still spend today, of how many calls, and when each bucket is next reset (UTC)."""

    number: Mapping[Bucket, int]
    limit: Mapping[Bucket, int]
    until: Mapping[Bucket, datetime]


class Lifted(NamedTuple):
    """A suspension that was lifted; `bucket` is `*` for that of the whole key."""

    fingerprint: str
    bucket: str
    reason: str

    def __str__(self) -> str:
        return f"{self.fingerprint} {self.bucket}: {self.reason}"


@dataclass(frozen=True)
class _Project:
    """Keys that are known to share a project, or one key. The mappings are by fingerprint and bucket, of all keys."""

    fingerprints: tuple[str, ...]
    number: str | None
    suspended: Mapping[tuple[str, str], Suspension]
    named_limits: Mapping[tuple[str, str], int]
    usage: Mapping[tuple[str, str], Mapping[str, int]]

    def calls(self, bucket: Bucket, what: str) -> int:
        return sum(row[what] for key in self.fingerprints if (row := self.usage.get((key, bucket))))

    def named_limit(self, bucket: Bucket) -> int | None:
        limits = (self.named_limits.get((key, bucket)) for key in self.fingerprints)
        return max((limit for limit in limits if limit is not None), default=None)

    def limit(self, bucket: Bucket) -> int:
        return _limit(settings.quota_per_day(bucket), self.named_limit(bucket))

    def suspension(self, *buckets: str) -> Suspension | None:
        found = (self.suspended.get((key, bucket)) for key in self.fingerprints for bucket in buckets)
        return max((each for each in found if each), key=lambda each: each.until, default=None)


class KeyDAO:
    """Read and lift suspensions."""

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def report(self, pool: KeyPool) -> list[KeyReport]:
        """Return the keys of the pool in the order of the rings, those of one project together."""
        reports = []
        for project in await self._projects(pool):
            buckets = []
            for bucket in Bucket:
                suspension = project.suspension(WHOLE_KEY, bucket)
                buckets.append(
                    BucketReport(
                        bucket=bucket,
                        spent=project.calls(bucket, "spent"),
                        refused=project.calls(bucket, "refused"),
                        setting=settings.quota_per_day(bucket),
                        named=project.named_limit(bucket),
                        until=suspension.until if suspension else None,
                        reason=suspension.reason if suspension else None,
                    )
                )
            rings = [ring for key in project.fingerprints for ring in RINGS if key in _fingerprints(pool, ring)]
            reports.append(KeyReport(project.fingerprints, tuple(dict.fromkeys(rings)), project.number, tuple(buckets)))
        return reports

    async def calls_left(self, pool: KeyPool, ring: str) -> CallsLeft:
        """Return what the keys of a ring can still spend today, each project counted once.

        A project has the calls per day of the setting, or of the limit that YouTube named if that is lower, without
        those spent today. A suspended bucket has none left, and a key that is suspended whole adds nothing.
        Raises KeysRejected where every key of the ring is wrong or blocked.
        """
        now, members, projects = clock.now(), _fingerprints(pool, ring), await self._projects(pool)
        suspended = projects[0].suspended if projects else {}
        rejected = {key: row.reason for key in members if (row := suspended.get((key, WHOLE_KEY)))}
        if rejected and len(rejected) == len(members):
            raise KeysRejected(ring, rejected)
        usable = set(members) - rejected.keys()
        number, limits = dict.fromkeys(Bucket, 0), dict.fromkeys(Bucket, 0)
        until: dict[Bucket, datetime] = {}
        for bucket in Bucket:
            resets = []
            for project in projects:
                if not usable.intersection(project.fingerprints):
                    continue
                limit = project.limit(bucket)
                limits[bucket] += limit
                if suspension := project.suspension(bucket):
                    resets.append(suspension.until)
                    continue
                number[bucket] += max(0, limit - project.calls(bucket, "spent"))
                resets.append(quota_reset(now))
            until[bucket] = min(resets, default=quota_reset(now))
        return CallsLeft(number, limits, until)

    async def calls_left_by_ring(self, pool: KeyPool, rings: Iterable[str] = RINGS) -> dict[str, CallsLeft | None]:
        """Return `calls_left` of each ring that has keys; None: all its keys are wrong or blocked."""
        left: dict[str, CallsLeft | None] = {}
        for ring in rings:
            if pool[ring]:
                try:
                    left[ring] = await self.calls_left(pool, ring)
                except KeysRejected:
                    left[ring] = None
        return left

    async def searches_a_day(self, pool: KeyPool, ring: str) -> int:
        """Return how many searches the projects of a ring's keys have each day; a rejected key adds none."""
        members, total = set(_fingerprints(pool, ring)), 0
        for project in await self._projects(pool):
            if any((key, WHOLE_KEY) not in project.suspended for key in members.intersection(project.fingerprints)):
                total += project.limit(Bucket.SEARCH)
        return total

    async def rejected(self, pool: KeyPool) -> dict[str, Suspension]:
        """Return the keys that are suspended whole, since YouTube refuses them, by fingerprint."""
        suspended = await load_suspensions(self._db, _fingerprints(pool, *RINGS), pool.version())
        return {key: row for (key, bucket), row in suspended.items() if bucket == WHOLE_KEY}

    async def _projects(self, pool: KeyPool) -> list[_Project]:
        keys = _fingerprints(pool, *RINGS)
        numbers = {row["fingerprint"]: row["project"] for row in await self._db.fetch(sql("quota/key_projects"), keys)}
        suspended = await load_suspensions(self._db, keys, pool.version())
        limits = await self._db.fetch(sql("quota/key_limits"), keys)
        usage = await self._db.fetch(sql("quota/key_usage"), quota_day(clock.now()), keys)
        together: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            together[f"project {numbers[key]}" if key in numbers else key].append(key)
        return [
            _Project(
                fingerprints=tuple(group),
                number=numbers.get(group[0]),
                suspended=suspended,
                named_limits={(row["fingerprint"], row["bucket"]): row["quota_limit"] for row in limits},
                usage={(row["fingerprint"], row["bucket"]): row for row in usage},
            )
            for group in together.values()
        ]

    async def resume(self, *prefixes: str) -> list[Lifted]:
        """Lift every suspension of the keys whose fingerprint begins so, and of the keys of their projects."""
        rows = await self._db.fetch(sql("quota/resume_key"), [prefix.lower() for prefix in prefixes], clock.now())
        return sorted(Lifted(row["fingerprint"], row["bucket"], row["reason"]) for row in rows)

    async def resume_ring(self, pool: KeyPool, ring: str) -> list[Lifted]:
        """Lift every suspension of the keys of a ring, and of the keys of their projects."""
        return await self.resume(*_fingerprints(pool, ring))


def _limit(setting: int, named: int | None) -> int:
    return setting if named is None else min(setting, named)


def _fingerprints(pool: KeyPool, *rings: str) -> list[str]:
    """Return the fingerprints of the rings' keys, each once, in their order."""
    return list(dict.fromkeys(fingerprint(key) for ring in rings for key in pool[ring]))
