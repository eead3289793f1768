"""Parse times of the day: NOTIFY_QUIET_HOURS and NOTIFY_DIGEST_AT."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

__all__ = ["QuietHours", "last_moment", "parse_quiet_hours", "parse_time"]

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


class QuietHours(NamedTuple):
    """Hours of each day; `end` may be on the next day."""

    begin: time
    end: time

    def contain(self, local: datetime) -> bool:
        """Return whether a moment, in the display time zone, is in these hours."""
        now = local.time()
        if self.begin < self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end


def parse_time(text: str) -> time:
    """Return a time of the day such as ``07:00``. Raises ValueError."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError("it is not a time of the day; write it like 07:00")
    return time(int(match[1]), int(match[2]))


def parse_quiet_hours(text: str) -> QuietHours:
    """Return hours such as ``22:00-07:00``. Raises ValueError."""
    begin, _, end = text.partition("-")
    try:
        hours = QuietHours(parse_time(begin), parse_time(end))
    except ValueError:
        raise ValueError("it is not a range of hours; write it like 22:00-07:00") from None
    if hours.begin == hours.end:
        raise ValueError("it begins and ends at the same time; unset it for no quiet hours")
    return hours


def last_moment(of_day: time, local: datetime) -> datetime:
    """Return the last moment, not after `local`, at which it was this time of the day in its zone."""
    today = local.replace(hour=of_day.hour, minute=of_day.minute, second=0, microsecond=0, fold=0)
    # in UTC: times of one zone are compared without their offsets, of which one night has two
    return today if today.astimezone(UTC) <= local.astimezone(UTC) else today - timedelta(days=1)
