"""The numbers that are policy, each with its reason or source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil


@dataclass(frozen=True)
class Zone:
    """One zone of the tracking schedule.

    Attributes:
        number: 1 to 3; a lower zone is served first.
        below: videos younger than this belong to it (None: all older ones).
        interval: how long after one snapshot the next is due.
    """

    number: int
    below: timedelta | None
    interval: timedelta


ZONES = (
    Zone(1, timedelta(hours=24), timedelta(hours=1)),
    Zone(2, timedelta(days=7), timedelta(hours=6)),
    Zone(3, None, timedelta(days=1)),
)


def schedule(born: datetime, now: datetime, *, pending: bool = False) -> tuple[int, datetime]:
    """Return the zone of a video and when its next snapshot is due, given one taken now.

    A publish time in the future (an upcoming premiere) is zone 1, but due only at that time: hourly readings before it
    would cost quota for nothing. It is due within the longest interval in any case, since premieres are moved.

    Args:
        born: when it was published or, if that is unknown, first seen.
        now: schedule time.
        pending: it has no length yet, since it is live or upcoming. Its publish time moves when it is broadcast or
            ends; read as an old video, it would lose most of its first day, so it is read at least every 6 h.
    """
    age = now - born
    for zone in ZONES:
        if zone.below is None or age < zone.below:
            break
    due = now + (min(zone.interval, ZONES[1].interval) if pending else zone.interval)
    if born > due:
        due = min(born, now + ZONES[-1].interval)
    return zone.number, due


# A video that YouTube leaves out three times, at least 6 h apart, is gone: one absence proves nothing (videos.list was
# seen to leave out living videos for a while), and three within minutes are one.
ABSENCES_TO_RETIRE = 3
ABSENCE_SPACING = timedelta(hours=6)

# A video that is not archived by then is asked for again: a younger one may still be in another shard's buffer.
ARCHIVE_AFTER = ZONES[0].interval

# YouTube lists about 500 results for one query, on 10 to 13 pages, which lack what YouTube filters from them. So a list
# that ends with 400 results or more may have been cut there; to ask further costs one search where it was not.
SEARCH_CEILING = 500
SEARCH_CEILING_REACHED = 400

# An answer without results whose totalResults are above 0 proves nothing: YouTube gave 57,238 and then 81 with an empty
# page for one query. It is asked again so often, each time after so long.
ASKED_AGAIN = 3
ASKED_AGAIN_AFTER = timedelta(minutes=10)

# YouTube's sources differ by fractions of a second in a publish time; one that is later by more has moved.
PUBLISH_TIME_MOVED = timedelta(minutes=1)

# YouTube at times freezes the counts of all videos and lets them go on hours later. A video says something about that
# if it is younger than zone 3, would gain at least 20 views at its last rate, and was last read at least half an hour
# before: flat steps are common for quiet videos and short intervals, and rare for others. A freeze is confirmed by more
# readings than one answer of YouTube holds, of several channels. It ends when more than a few of any videos move.
FREEZE_GAIN = 20
FREEZE_INTERVAL = timedelta(minutes=30)
FREEZE_VIDEOS = 60
FREEZE_CHANNELS = 5
FREEZE_OPENS_VIDEOS = 5
FREEZE_STILL_SHARE = 0.05
FREEZE_ENDS_SHARE = 0.1
FREEZE_ENDS_VIDEOS = 2
FREEZE_CHECK_INTERVAL = timedelta(minutes=1)

# A page token is an opaque offset whose lifetime is not documented; past this age it is not used.
TOKEN_MAX_AGE = timedelta(hours=12)

# A topic that was read through is due again after this; each round that brings nothing new doubles it, a good one
# resets it.
TOPIC_INTERVAL = timedelta(hours=6)
TOPIC_INTERVAL_MAX = timedelta(days=7)

# A spent bucket opens at the next midnight Pacific, and a day has 25 h when the clocks go back; a rejected key is tried
# again after 24 h.
LONGEST_SUSPENSION = timedelta(hours=25)

# `queue add` ranks above any tag, whose priority is the number of videos that mention it.
USER_PRIORITY = 1_000_000_000


def publish_time_moved(known: datetime | None, found: datetime | None) -> bool:
    """Return whether a publish time moved to later: a premiere was broadcast, or a live stream ended."""
    return known is not None and found is not None and found - known > PUBLISH_TIME_MOVED


def refresh_after(kept: timedelta) -> timedelta:
    """Return at which age metadata is refreshed, given the age at which it must be deleted.

    YouTube Developer Policies III.E.4.b: data read with an API key is refreshed or deleted within 30 days. A sixth of
    the time, and at least two intervals of the last zone, is left for days on which quota is short.
    """
    return max(timedelta(), min(kept * 25 / 30, kept - 2 * ZONES[-1].interval))


def most_snapshots(kept: timedelta) -> int:
    """Return how many snapshots a video can have if each is kept for this time, counted from its publication."""
    number, begin = 1, timedelta()
    for zone in ZONES:
        end = kept if zone.below is None else min(kept, zone.below)
        number += max(0, ceil((end - begin) / zone.interval))
        begin = end
    return number


def topic_interval(barren_rounds: int) -> timedelta:
    """Return how long a topic rests after this many rounds in a row without a new video."""
    doublings: int = min(barren_rounds, 16)
    return min(TOPIC_INTERVAL * (1 << doublings), TOPIC_INTERVAL_MAX)
