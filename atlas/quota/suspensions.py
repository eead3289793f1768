"""Suspensions: how long a key, or one bucket of it, makes no calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from atlas import policy
from atlas.clock import clock
from atlas.database import Database
from atlas.db.queries import sql
from atlas.quota.buckets import quota_day, quota_reset, quota_start

__all__ = ["WHOLE_KEY", "Suspension", "closed_until", "load_suspensions", "longest_suspension"]

WHOLE_KEY = "*"
"""The bucket of a suspension that holds for every bucket of a key."""
_CLOCKS_MAY_DIFFER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why a key's bucket is closed, and until when (schedule clock, UTC)."""

    fingerprint: str
    bucket: str
    reason: str
    until: datetime


async def load_suspensions(db: Database, fingerprints: Sequence[str], pool: str) -> dict[tuple[str, str], Suspension]:
    """Return the suspensions that hold now, by fingerprint and bucket.

    Args:
        pool: the key pool's version. A rejected key is tried again when the pool changes.
    """
    rows = await db.fetch(
        sql("quota/load_suspensions"), fingerprints, clock.now(), pool, longest_suspension()
    )  # fmt: skip
    return {
        (row["fingerprint"], row["bucket"]): Suspension(
            row["fingerprint"], row["bucket"], row["reason"], row["suspended_until"]
        )
        for row in rows
    }


def longest_suspension() -> timedelta:
    """Return how long a suspension can last. One that ends later was written by a clock that was ahead."""
    return policy.LONGEST_SUSPENSION + clock.tolerance


def closed_until(day: date, now: datetime) -> datetime:
    """Return when a bucket that was refused opens again.

    Right after midnight the refusal may be of the day before, by YouTube's clock: then the bucket opens again soon.

    Args:
        day: the quota day of the refused call.
        now: schedule time.
    """
    midnight = quota_reset(now) if quota_day(now) == day else now
    if now - quota_start(now) < _CLOCKS_MAY_DIFFER:
        return min(midnight, now + _CLOCKS_MAY_DIFFER)
    return midnight
