"""Decide which process notifies people of a subject, so that many processes send one message."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.event_types import EventType

__all__ = ["Key", "NotificationClaim", "NotificationDAO"]

Key = tuple[EventType, str]
"""The event type of a notification, and its subject."""


@dataclass(frozen=True)
class NotificationClaim:
    """The notifications that this process has to send.

    `suppressed`: number of further events since the last message, by key.
    """

    suppressed: Mapping[Key, int]
    token: uuid.UUID | None = None  # marks the claim in the database; None if it was made without the database


class NotificationDAO:
    """Claim notifications in the database. A closed database is opened for a call, and closed after it."""

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    @property
    def store(self) -> Database:
        """The database of the notifications."""
        return self._db

    async def claim(self, counts: Mapping[Key, int], minutes: float) -> NotificationClaim:
        """Claim the keys that had no notification for some `minutes` of the database's clock.

        `counts`: number of events by key; those of the other keys count as suppressed.
        """
        token = uuid.uuid4()
        async with self._db.session():
            rows = await self._db.fetch(
                sql("notifications/claim_notifications"),
                [event for event, _ in counts],
                [subject for _, subject in counts],
                list(counts.values()),
                token,
                timedelta(minutes=minutes),
            )
        return NotificationClaim(
            {(EventType(row["type"]), row["subject"]): max(0, row["notified"] - 1) for row in rows}, token
        )

    async def may_send(self, most: int, *, held: bool = False) -> bool:
        """Count a message towards the limit of an hour; return whether it may be sent.

        While other events are held, only the message about them (`held`) may be sent.
        """
        async with self._db.session():
            return bool(await self._db.fetch(sql("notifications/claim_message"), most, held))

    async def uncount_message(self) -> None:
        """Give the place of a message within the limit back: no service accepted it."""
        async with self._db.session():
            await self._db.fetch(sql("notifications/uncount_message"))

    async def hold(self, event: EventType, since: datetime, number: int) -> None:
        """Count events of a type whose notification has to wait; `since`: the schedule time of the first one."""
        async with self._db.session():
            await self._db.fetch(sql("notifications/hold_events"), str(event), since, number)

    async def take_held(self) -> dict[EventType, tuple[datetime, int]]:
        """Take over the held events from all processes, by type: the time of the first one, and their number."""
        async with self._db.session():
            rows = await self._db.fetch(sql("notifications/take_held"))
        return {EventType(row["type"]): (row["since"], row["number"]) for row in rows}

    async def events_since(
        self, since: datetime, types: Collection[EventType], most: int
    ) -> list[tuple[EventType, Mapping[str, Any]]]:
        """Return the events of these types from a schedule time on, oldest first."""
        async with self._db.session():
            rows = await self._db.fetch(sql("notifications/list_held"), since, list(types), most)
        return [(EventType(row["type"]), row["payload"]) for row in rows]

    async def claim_digest(self, due_since: datetime) -> uuid.UUID | None:
        """Claim the digest that is due since a moment (real time); None: another process sent it."""
        token = uuid.uuid4()
        async with self._db.session():
            return token if await self._db.fetch(sql("notifications/claim_digest"), token, due_since) else None

    async def release_digest(self, token: uuid.UUID) -> None:
        """Make the digest due again, since no service accepted it."""
        async with self._db.session():
            await self._db.fetch(sql("notifications/release_notifications"), ["digest"], [""], token)

    async def release(self, claim: NotificationClaim, keys: Collection[Key]) -> None:
        """Make keys due again at once, since no service accepted them. Their events count as suppressed."""
        async with self._db.session():
            types, subjects = [event for event, _ in keys], [subject for _, subject in keys]
            await self._db.fetch(sql("notifications/release_notifications"), types, subjects, claim.token)
