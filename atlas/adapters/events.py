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


@dataclass(frozen=True)
class Event:
    """One event; ``agent`` and ``shard`` are None where the run's row is gone."""

    id: int
    at: datetime
    """Schedule time, UTC."""
    type: str
    """An older release may have had others."""
    run: UUID | None
    agent: str | None
    shard: str | None
    payload: dict[str, Any]


class EventsDAO:
    """Read events."""

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def latest(
        self, types: Collection[EventType] = (), *, since: datetime | None = None, limit: int = 50
    ) -> list[Event]:
        """Return the last events of these types (none: all) since a schedule time, the newest last."""
        wanted = [str(each) for each in types] or None
        rows = await self._db.fetch(sql("runs/list_events"), wanted, since, limit)
        return [Event(**dict(row)) for row in reversed(rows)]
