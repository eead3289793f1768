"""The rows that the adapters take and return: typed dictionaries."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, TypedDict
from uuid import UUID


class TopicStatus(StrEnum):
    """The state of a topic of the search queue."""

    ACTIVE = "active"
    """Claimable: never searched, due again, or with a next page."""
    WAITING = "waiting"
    """Read through: claimable again when it is due."""
    PAUSED = "paused"
    """Set aside by the user; `maia queue add` resumes it."""


class TopicRow(TypedDict):
    """A claimed topic. Times are aware, in UTC, of the schedule clock."""

    id: int
    query_term: str
    """What YouTube is asked for."""
    display_term: str | None
    """How the user spelled it; None: as in ``query_term``."""
    next_page_token: str | None
    last_searched_at: datetime | None
    priority: int
    source: str
    status: str
    page: int
    """Pages of this slice that are read."""
    restarts: int
    """How often this round's page token was refused."""
    published_after: datetime | None
    """The slice's window, as it is asked; None before the round's first page."""
    published_before: datetime | None
    round_before: datetime | None
    """The end of the round's window, where a slice ends earlier; None: it is `published_before`."""
    round_ended_at: datetime | None
    """The end of the last round's window."""
    oldest_read: datetime | None
    """The oldest publish time that this round has read; None: nothing yet."""
    slice_results: int
    """Results that YouTube has listed in this slice."""
    round_pages: int
    """Pages of this round that are read."""
    round_new: int
    """New videos of this round."""
    rounds_without_new: int
    """Rounds in a row that brought nothing new."""
    empty_answers: int
    """Answers in a row without readable results, though YouTube counts some."""
    lease_token: UUID


class TargetRow(TypedDict):
    """A claimed video."""

    id: str
    title: str | None
    published_at: datetime | None
    first_seen_at: datetime
    last_updated_at: datetime | None
    zone: int
    due_at: datetime | None
    enriched_at: datetime | None
    """When its metadata was last read from videos.list; None: never."""
    archived_at: datetime | None
    """The time of the archive's last record; None: there is none."""
    duration: timedelta | None
    """Zero while it is live or upcoming."""
    lease_token: UUID


class Presence(StrEnum):
    """What an answer shows about a video that was asked for."""

    PRESENT = "present"
    ABSENT = "absent"
    """Left out by videos.list: deleted, private, or left out by mistake."""
    UNANSWERED = "unanswered"
    """The answer proves nothing about it; it is rescheduled like the others."""


class VideoUpdate(NamedTuple):
    """What one call learned of one claimed video. A count is None where YouTube hides it.

    Publish time and duration are None where the answer does not have them; what is stored then stays.
    """

    id: str
    presence: Presence
    views: int | None = None
    likes: int | None = None
    comments: int | None = None
    published_at: datetime | None = None
    duration: timedelta | None = None


class Ingested(NamedTuple):
    """What an ingestion did, by ids, and the schedule clock's time that it wrote."""

    created: frozenset[str]
    newly_enriched: frozenset[str]
    """Those that have their metadata for the first time."""
    at: datetime | None = None
