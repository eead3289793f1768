"""The append-only record of what happened: ``events``, and one row of ``runs`` per process."""

from __future__ import annotations

import contextvars
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from atlas.clock import clock
from atlas.database import Database, database
from atlas.errors import scrub
from atlas.statements import sql

__all__ = ["EventType", "Run", "emit"]


class EventType(StrEnum):
    """The vocabulary of events."""

    RUN_STARTED = "run_started"
    """A process began. agent, shard"""
    RUN_FINISHED = "run_finished"
    """A process ended. agent, shard, outcome, exit_code, error"""
    CHURN = "churn"
    """A rate limit ended a process. reason"""
    QUOTA_SPENT = "quota_spent"
    """A bucket of a key is spent for the day. fingerprint, bucket, project, limit, until"""
    KEY_SUSPENDED = "key_suspended"
    """A key is wrong or blocked. fingerprint, reason, until"""
    SEARCH_GAP = "search_gap"
    """A part of a search window will not be read.

    topic, query_term, published_after, published_before, pages_read, reason
    """
    VIDEOS_RETIRED = "videos_retired"
    """Videos are gone from YouTube. ids"""
    BREAKOUT = "breakout"
    """A video came to gain BREAKOUT_VIEWS_PER_HOUR. video_id, views_per_hour, views"""
    ARCHIVE_FAILED = "archive_failed"
    """A flush of the archive failed; a later run archives. failed (count), error"""


_current: contextvars.ContextVar[uuid.UUID | None] = contextvars.ContextVar("atlas_run", default=None)


async def emit(event: EventType, *, store: Database | None = None, **payload: Any) -> None:
    """Appends an event, in the task's transaction if it is in one.

    Args:
        event: its type.
        store: another database than the process's own, for tests.
        payload: what the type's text names; JSON-able values and datetimes, no secrets.
    """
    await (store or database).fetch(sql("emit_event"), clock.now(), str(event), _current.get(), payload)


class Run:
    """One process's row in ``runs``: begun at its start, finished with its outcome.

    Args:
        agent: such as ``hunter``.
        shard: such as ``0/4``, or None.
        run_id: the workflow run that it is part of, or None.
        wave: the wave of that run, from 1, or None.
    """

    def __init__(
        self, agent: str, shard: str | None = None, *, run_id: str | None = None, wave: int | None = None
    ) -> None:
        self.id = uuid.uuid4()
        self.agent, self.shard, self.run_id, self.wave = agent, shard, run_id, wave
        self._begun = False

    async def begin(self, store: Database | None = None) -> None:
        """Writes the row; events emitted by this task from now on name it."""
        await (store or database).fetch(
            sql("start_run"), self.id, self.agent, self.shard, self.run_id, self.wave, datetime.now(UTC)
        )
        self._begun = True
        _current.set(self.id)

    async def finish(
        self, outcome: str, exit_code: int, stats: Mapping[str, Any], error: str | None, store: Database | None = None
    ) -> None:
        """Writes how it ended; does nothing if it never began."""
        if not self._begun:
            return
        text = scrub(error) if error else None
        await (store or database).fetch(
            sql("finish_run"), self.id, datetime.now(UTC), outcome, exit_code, dict(stats), text
        )
