"""The numbers that are policy, each with its reason or source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil


@dataclass(frozen=True)
class Zone:
    """One zone of the tracking schedule; a lower one is served first."""

    number: int
    below: timedelta | None  # younger videos belong to it; None: all older ones
    interval: timedelta  # from one snapshot to the next


ZONES = (
    Zone(1, timedelta(hours=24), timedelta(hours=1)),
    Zone(2, timedelta(days=7), timedelta(hours=6)),
    Zone(3, None, timedelta(days=1)),
)


# Two successive snapshots of a video lie at most this many intervals of its zone apart: that is what a zone promises. A
# zone with fewer videos within it is stale: runs every 20 minutes keep nearly all, and a skipped one breaks some.
PROMISED_INTERVALS = 1.5
FRESH_SHARE = 0.9


def promise(interval: timedelta) -> timedelta:
    """Return how far apart two successive snapshots of a video may lie, given the interval of its zone."""
    return interval * PROMISED_INTERVALS


def schedule(born: datetime, now: datetime, *, pending: bool = False) -> tuple[int, datetime]:
    """Return the zone of a video and when its next snapshot is due, given one taken now.

    A publish time in the future (an upcoming premiere) is zone 1, but due only at that time: hourly readings before it
    would cost quota for nothing. It is due within the longest interval in any case, since premieres are moved.

    A `pending` video has no length yet, since it is live or upcoming. Its publish time moves when it is broadcast or
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
# seen to leave out existing videos for a while), and three within minutes are one.
ABSENCES_TO_RETIRE = 3
ABSENCE_SPACING = timedelta(hours=6)

# A video that is not archived by then is asked for again: a younger one may still be in another shard's buffer.
ARCHIVE_AFTER = ZONES[0].interval

# YouTube lists about 500 results for one query, on 10 to 13 pages, which lack what YouTube filters from them. So a list
# that ends with 400 results or more may have been cut there; if it was not, asking further costs one search.
SEARCH_CEILING = 500
SEARCH_CEILING_REACHED = 400

# An answer without results whose totalResults are above 0 proves nothing: YouTube gave 57,238 and then 81 with an empty
# page for one query. It is asked again this often, each time after this pause.
ASKED_AGAIN = 3
ASKED_AGAIN_AFTER = timedelta(minutes=10)

# YouTube's sources differ by fractions of a second in a publish time; one that is later by more has moved.
PUBLISH_TIME_MOVED = timedelta(minutes=1)

# YouTube sometimes freezes the counts of all videos for hours. A video is evidence if it is younger than zone 3,
# would gain at least 20 views at its last rate, and was last read at least half an hour before: flat steps are common
# for quiet videos and short intervals, and rare for others. A freeze is confirmed by more readings than one answer of
# YouTube has, of several channels. It ends when more than a few of any videos move.
FREEZE_GAIN = 20
FREEZE_INTERVAL = timedelta(minutes=30)
FREEZE_VIDEOS = 60
FREEZE_CHANNELS = 5
FREEZE_OPENS_VIDEOS = 5
FREEZE_STILL_SHARE = 0.05
FREEZE_ENDS_SHARE = 0.1
FREEZE_ENDS_VIDEOS = 2

# How often a Tracker checks what it has read: for a freeze, and for breakouts.
READINGS_CHECK_INTERVAL = timedelta(minutes=1)

# A page token is an opaque offset whose lifetime is not documented; past this age it is not used.
TOKEN_MAX_AGE = timedelta(hours=12)

# A topic is due again this long after its round; a round without a new video doubles it, another one resets it.
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


def topic_interval(rounds_without_new: int) -> timedelta:
    """Return how long a topic rests after this many rounds in a row without a new video."""
    doublings: int = min(rounds_without_new, 16)
    return min(TOPIC_INTERVAL * (1 << doublings), TOPIC_INTERVAL_MAX)


# --- growth and breakouts: docs/breakouts.md ---

# YouTube's own limit for a short, since October 2024.
SHORT = timedelta(minutes=3)

# Bands of ages have equal widths on the scale ln(age in hours + 1), on which rates fall almost along lines. The last
# one begins at about four months.
BAND_WIDTH = 0.5
BANDS = 17
# Until bands are learnt, and where too few videos show one: rates fall as 1/age^0.8, single readings spread by a factor
# of 2.5, more than they usually do, and nothing is known of a video's own level.
BAND_PAIRS = 100
SLOPE_UNKNOWN = -0.8
SPREAD_UNKNOWN = 0.9
VARIANCE_UNKNOWN = 9.0
# Steeper or rising curves are artefacts of few videos, or of a change of YouTube's counting.
SLOPES = (-2.0, 0.6)


@dataclass(frozen=True)
class Detector:
    """The numbers of the breakout detector, tuned on the development worlds of harness/benchmarks/detection.

    Logarithms are natural: an excess of 1 is 2.7 times the usual rate. A surprise is an excess in deviations.
    """

    allowance: float = 2.75  # what the score loses with each reading: heavy-tailed noise is often 2 deviations off
    most: float = 4.5  # the most that a reading counts, so that a burst of an hour is no breakout
    most_long: float = 8.0  # the same after a long interval, which averages over such bursts
    long: float = 5.0  # hours of a long interval: those of zones 2 and 3
    score_most: float = 20.0  # so that a score is back soon after a breakout
    most_up: float = 1.0  # deviations by which a reading can raise the usual rate; a breakout must not become usual
    most_down: float = 1.5  # and lower it
    drift: float = 0.1  # how fast videos leave the typical curve: variance by unit of ln(age)
    drift_hour: float = 0.001  # and by hour
    spread_share: float = 0.65  # of the learnt spread, which contains two readings' noise and the noise of days
    spread_least: float = 0.35
    small_fall: float = 0.01  # an audit takes less; a larger fall starts anew
    patience: float = 6.0  # hours for which a count that stands still says nothing
    excess_least: float = 1.6  # of a breakout: 5 times the usual rate
    readings: int = 2  # that raised the score, unless the interval is long
    rise_least: float = 3.7  # the same: times the mean rate until the score rose, since the usual rate may be too low,
    excess_alone: float = 3.0  # or 20 times the usual rate
    excess_end: float = 0.4  # a breakout ends at 1.5 times the usual rate,
    readings_end: int = 3  # in a row, or once over a long interval
    longest: timedelta = timedelta(days=14)  # after which the new rate is the usual one


DETECTOR = Detector()

# If so large a share of the videos of a kind that were just read is that far above usual at once, YouTube changed how
# it counts. Surprises as large are rare: one reading in a thousand.
STEP_SURPRISE = 6.0
STEP_SHARE = 0.015
STEP_VIDEOS = 8
STEP_CHANNELS = 5
STEP_PAGES = 300  # of video_growth, some 10,000 videos

# Bands are learnt again after this time, from so many videos of each kind.
LEARN_AFTER = timedelta(hours=6)
LEARN_VIDEOS = 3_000
LEARN_PAGES = 2_000  # of videos, from which they are drawn
LEARN_RETRY = timedelta(minutes=10)  # if another process learns, or it failed
LEARN_SECONDS = 60.0
