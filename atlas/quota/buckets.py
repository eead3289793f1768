"""YouTube's daily quota: its buckets and its day.

Source: YouTube Data API, "Quota Calculator" (determine_quota_cost), in force since 2026-06-01: three separate buckets
per Google Cloud project, each reset at midnight Pacific. Every page of a search counts; an invalid request costs at
least 1.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

PACIFIC = ZoneInfo("America/Los_Angeles")


class Bucket(StrEnum):
    """One of a project's three daily allowances."""

    SEARCH = "search"
    """search.list: 100 calls a day."""
    UNITS = "units"
    """videos.list, channels.list, playlistItems.list and the rest: 10,000 units a day, 1 a call."""
    BATCH = "batchGetStats"
    """videos.batchGetStats: 10,000 calls a day."""


def quota_day(at: datetime) -> date:
    """Return the Pacific day to which a call at this time (aware) counts."""
    return at.astimezone(PACIFIC).date()


def quota_reset(at: datetime) -> datetime:
    """Return the next midnight Pacific after this time, in UTC, also across clock changes."""
    return datetime.combine(quota_day(at) + timedelta(days=1), time(), PACIFIC).astimezone(UTC)


def quota_start(at: datetime) -> datetime:
    """Return the last midnight Pacific before or at this time, in UTC."""
    return datetime.combine(quota_day(at), time(), PACIFIC).astimezone(UTC)
