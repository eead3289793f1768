"""Read recorded events by type and time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.event_types import EventType

__all__ = ["Event", "EventsDAO"]


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        at: schedule time, UTC.
        type: its type; an older release may have had others.
        run: the process's row in ``runs``, or None.
        agent, shard: of that row; None where it is gone.
        payload: with the keys that `EVENT_TYPES` names.
    """

    id: int
    at: datetime
    type: str
    run: UUID | None
    agent: str | None
    shard: str | None
    payload: dict[str, Any]


class EventsDAO:
    """Read events. Constructing it does no I/O.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def latest(
        self, types: Collection[EventType] = (), *, since: datetime | None = None, limit: int = 50
    ) -> list[Event]:
        """Return the last events, the newest last.

        Args:
            types: only these; empty: all.
            since: only from this schedule time on.
            limit: the largest number.
        """
        wanted = [str(each) for each in types] or None
        rows = await self._db.fetch(sql("runs/list_events"), wanted, since, limit)
        return [Event(**dict(row)) for row in reversed(rows)]
