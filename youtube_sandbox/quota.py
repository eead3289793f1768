"""The three daily allowances of each project."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from atlas.quota.buckets import Bucket, quota_day

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime


class QuotaBook:
    """Count what each project spends of each bucket on each Pacific day of the schedule clock.

    A call that is refused because of quota, rate or key costs nothing; every other call costs 1, an invalid one too.
    """

    def __init__(self, limits: Mapping[Bucket, int]) -> None:
        self.limits = dict(limits)
        self._spent: Counter[tuple[str, date, Bucket]] = Counter()

    def charge(self, project: str, bucket: Bucket, at: datetime) -> bool:
        """Take 1 from a project's bucket of the day; return False, and take nothing, when it is spent."""
        if self.exhausted(project, bucket, at):
            return False
        self._spent[project, quota_day(at), bucket] += 1
        return True

    def exhausted(self, project: str, bucket: Bucket, at: datetime) -> bool:
        """Return whether a project's bucket is spent on the quota day of this time."""
        return self._spent[project, quota_day(at), bucket] >= self.limits[bucket]

    def table(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return project → Pacific day → bucket → spent."""
        table: dict[str, dict[str, dict[str, int]]] = {}
        for (project, day, bucket), amount in sorted(self._spent.items()):
            if amount:
                table.setdefault(project, {}).setdefault(day.isoformat(), {})[bucket.value] = amount
        return table
