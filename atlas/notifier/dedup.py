"""Decide which process notifies people of a thing, so that many that meet it send one message."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.event_types import EventType

__all__ = ["Key", "NotificationClaim", "NotificationDAO"]

Key = tuple[EventType, str]
"""What a notification is about: a type of event, and its subject."""


@dataclass(frozen=True)
class NotificationClaim:
    """What this process has to notify people of.

    Attributes:
        suppressed: of each thing, how many events since the last message its message stands for, beside the one named.
        token: marks the claim in the database; None if it was made without the database.
    """

    suppressed: Mapping[Key, int]
    token: uuid.UUID | None = None


class NotificationDAO:
    """Claim notifications in the database. A closed database is opened for a call, and closed after it.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def claim(self, counts: Mapping[Key, int], minutes: float) -> NotificationClaim:
        """Claim the things that had no notification within the interval; count the others as suppressed.

        Args:
            counts: how many events each thing stands for.
            minutes: NOTIFY_INTERVAL_MINUTES, by the database's own clock.
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
            {(EventType(row["type"]), row["subject"]): max(0, row["told"] - 1) for row in rows}, token
        )

    async def release(self, claim: NotificationClaim, keys: Collection[Key]) -> None:
        """Make these things due again at once: no service took their message. Their events count as suppressed."""
        async with self._db.session():
            types, subjects = [event for event, _ in keys], [subject for _, subject in keys]
            await self._db.fetch(sql("notifications/release_notifications"), types, subjects, claim.token)
