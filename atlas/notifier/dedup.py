"""TellingDAO: which process tells people of a thing, so that many that meet it send one message."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.event_types import EventType

__all__ = ["Claim", "Key", "TellingDAO"]

Key = tuple[EventType, str]
"""What a message is about: a type of event, and its subject."""


@dataclass(frozen=True)
class Claim:
    """What this process is to tell.

    Attributes:
        held_back: of each thing, how many more events its message stands for: they were met since the last one.
        token: what marks the claim in the database; None where it was made without it.
    """

    held_back: Mapping[Key, int]
    token: uuid.UUID | None = None


class TellingDAO:
    """Constructing it does no I/O. A closed database is opened for a call, and closed after it.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database | None = None) -> None:
        self._db = store or database

    async def claim(self, counts: Mapping[Key, int], minutes: float) -> Claim:
        """Claims to tell of these things, each if nobody did for so long; the others are counted as held back.

        Args:
            counts: how many events each thing stands for.
            minutes: NOTIFY_INTERVAL_MINUTES, by the database's own clock.
        """
        token = uuid.uuid4()
        keys = list(counts)
        async with self._db.session():
            rows = await self._db.fetch(
                sql("notifications/claim_notifications"),
                [event for event, _ in keys],
                [subject for _, subject in keys],
                [counts[key] for key in keys],
                token,
                timedelta(minutes=minutes),
            )
        # of what a message stands for it names one
        return Claim({(EventType(row["type"]), row["subject"]): max(0, row["told"] - 1) for row in rows}, token)

    async def release(self, claim: Claim, keys: Collection[Key]) -> None:
        """Nobody could be told of these: they are due again at once, and what they stood for counts as held back."""
        async with self._db.session():
            types, subjects = [event for event, _ in keys], [subject for _, subject in keys]
            await self._db.fetch(sql("notifications/release_notifications"), types, subjects, claim.token)
