"""The words of events: their types, what each holds, how grave it is, and what makes two of them the same thing.

docs/events.md is compared with this table by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["FAILED", "LEVELS", "VOCABULARY", "EventType", "Kind", "Level", "level_of", "subject_of"]


class Level(StrEnum):
    """How grave an event is: ``info`` is the usual course, ``warning`` worth a look, ``error`` needs somebody."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


LEVELS = tuple(Level)
"""From the least to the gravest."""


class EventType(StrEnum):
    """The vocabulary of events."""

    RUN_STARTED = "run_started"
    """A process began."""
    RUN_FINISHED = "run_finished"
    """A process ended."""
    CHURN = "churn"
    """A rate limit ended a process."""
    QUOTA_SPENT = "quota_spent"
    """A bucket of a key is spent for the day."""
    KEY_SUSPENDED = "key_suspended"
    """A key is wrong or blocked."""
    SEARCH_GAP = "search_gap"
    """A part of a search window is not read in its round."""
    VIDEOS_RETIRED = "videos_retired"
    """Videos are gone from YouTube."""
    BREAKOUT = "breakout"
    """A video came to gain BREAKOUT_VIEWS_PER_HOUR."""
    COUNTS_FROZEN = "counts_frozen"
    """YouTube's counts stand still for all videos at once."""
    COUNTS_MOVING = "counts_moving"
    """They move again."""
    ARCHIVE_FAILED = "archive_failed"
    """A flush of the archive failed; a later run archives."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What holds for every event of a type.

    Attributes:
        level: how grave; see ``level_of`` for the one exception.
        payload: the keys of its payload. Numbers, ids, words and times: nothing secret.
        subject: those of them that say what it is about: events that agree in them are the same thing, of which people
            are told once in NOTIFY_INTERVAL_MINUTES.
    """

    level: Level
    payload: tuple[str, ...]
    subject: tuple[str, ...] = ()


_GAP = ("topic", "query_term", "published_after", "published_before", "pages_read", "reason")

VOCABULARY: Mapping[EventType, Kind] = {
    EventType.RUN_STARTED: Kind(Level.INFO, ("agent", "shard"), ("agent",)),
    EventType.RUN_FINISHED: Kind(Level.INFO, ("agent", "shard", "outcome", "exit_code", "error"), ("agent", "outcome")),
    EventType.CHURN: Kind(Level.INFO, ("agent", "reason"), ("agent",)),
    EventType.QUOTA_SPENT: Kind(
        Level.WARNING, ("fingerprint", "bucket", "project", "limit", "until"), ("fingerprint", "bucket")
    ),
    EventType.KEY_SUSPENDED: Kind(Level.ERROR, ("fingerprint", "reason", "until"), ("fingerprint",)),
    EventType.SEARCH_GAP: Kind(Level.INFO, _GAP),
    EventType.VIDEOS_RETIRED: Kind(Level.INFO, ("ids",)),
    EventType.BREAKOUT: Kind(Level.WARNING, ("video_id", "views_per_hour", "views"), ("video_id",)),
    EventType.COUNTS_FROZEN: Kind(Level.WARNING, ("since", "videos", "channels")),
    EventType.COUNTS_MOVING: Kind(Level.INFO, ("since", "until")),
    EventType.ARCHIVE_FAILED: Kind(Level.WARNING, ("failed", "error")),
}

FAILED = frozenset({"failure", "unavailable", "config"})
"""The outcomes of a run that somebody has to look at: such a ``run_finished`` is an error."""


def level_of(event: EventType, payload: Mapping[str, Any]) -> Level:
    """How grave this event is."""
    if event is EventType.RUN_FINISHED and payload.get("outcome") in FAILED:
        return Level.ERROR
    return VOCABULARY[event].level


def subject_of(event: EventType, payload: Mapping[str, Any]) -> str:
    """What it is about, in a few short words; empty where the type says all."""
    return " ".join(str(payload.get(key)) for key in VOCABULARY[event].subject)
