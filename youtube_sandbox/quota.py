"""The three daily allowances of each project."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Final

from atlas.quota.buckets import PACIFIC, Bucket, quota_day

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

__all__ = ["DEFAULT_LIMITS", "QuotaBook", "day_start"]

DEFAULT_LIMITS: Final[Mapping[Bucket, int]] = {Bucket.SEARCH: 100, Bucket.UNITS: 10_000, Bucket.BATCH: 10_000}
"""Calls a day and project (YouTube: determine_quota_cost, 2026-06-01)."""


def day_start(at: datetime) -> datetime:
    """The Pacific midnight at which the quota day of this time began (UTC)."""
    return datetime.combine(quota_day(at), time(), PACIFIC).astimezone(UTC)


class QuotaBook:
    """Who has spent what, by project, bucket and Pacific day of the schedule clock.

    A call that is refused because of quota, rate or key costs nothing and is counted apart; every other one is granted
    and costs 1, an invalid one too.
    """

    def __init__(self, limits: Mapping[Bucket, int] | None = None) -> None:
        self.limits = {**DEFAULT_LIMITS, **(limits or {})}
        self._spent: Counter[tuple[str, date, Bucket]] = Counter()
        self._refused: Counter[tuple[str, date, Bucket]] = Counter()

    def charge(self, project: str, bucket: Bucket, at: datetime) -> bool:
        """Takes 1 from a project's bucket of the day; False, and nothing taken, when it is spent."""
        place = (project, quota_day(at), bucket)
        if self._spent[place] >= self.limits[bucket]:
            return False
        self._spent[place] += 1
        return True

    def refuse(self, project: str, bucket: Bucket, at: datetime) -> None:
        """Counts a call that cost nothing."""
        self._refused[project, quota_day(at), bucket] += 1

    def spent(self, project: str, bucket: Bucket, at: datetime) -> int:
        """How much a project has spent of a bucket on the quota day of this time."""
        return self._spent[project, quota_day(at), bucket]

    def table(self) -> dict[str, dict[str, dict[str, int]]]:
        """project → Pacific day → bucket → spent."""
        return _table(self._spent)

    def refused(self) -> dict[str, dict[str, dict[str, int]]]:
        """project → Pacific day → bucket → calls that were refused and cost nothing."""
        return _table(self._refused)


def _table(counts: Counter[tuple[str, date, Bucket]]) -> dict[str, dict[str, dict[str, int]]]:
    table: dict[str, dict[str, dict[str, int]]] = {}
    for (project, day, bucket), amount in sorted(counts.items()):
        if amount:
            table.setdefault(project, {}).setdefault(day.isoformat(), {})[bucket.value] = amount
    return table
