"""Telling people of events: what is told, how often, and when.

An event is told if its level is at least NOTIFY_LEVEL and an entry of NOTIFY_URLS takes its type. The same thing (type
and subject) is told once in NOTIFY_INTERVAL_MINUTES, by whichever process comes first: 200 shards that meet the same
suspended key send one message. What was held back is counted in table ``notifications`` and told with the next one.

``teller`` collects while the process works, and sends where nobody waits: beside the next cycle, and at the process's
end within ``NOTIFY_SECONDS``. It never raises. A transaction that is rolled back takes its notes with it; so sending
begins only where none is open.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from atlas import notifier
from atlas.config import notify_urls, settings
from atlas.database import Database
from atlas.errors import AtlasError, ConfigError
from atlas.event_types import LEVELS, EventType, Level, level_of, subject_of
from atlas.notifier import NOTIFY_SECONDS
from atlas.notifier.dedup import Claim, Key, TellingDAO
from atlas.notifier.templates import message, worded

__all__ = ["NOTIFY_SECONDS", "Teller", "is_told", "teller"]

logger = logging.getLogger(__name__)

_MOST_NOTES = 1_000  # things that one process keeps to tell at once; beyond that they are only counted
_CLAIM_SECONDS = 5.0  # a database that is slower than this is not asked who tells


@dataclass
class _Note:
    """Something to tell, and how many events it stands for."""

    key: Key
    level: Level
    line: str
    details: str
    who: str
    count: int = 0


class Teller:
    """What one process has to tell people. Constructing it does no I/O.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database | None = None) -> None:
        self._dao = TellingDAO(store)
        self._pending: dict[Key, _Note] = {}
        self._unnamed: dict[EventType, int] = defaultdict(int)
        self._told: dict[Key, float] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, event: EventType, payload: Mapping[str, Any], *, who: str = "") -> Callable[[], None]:
        """Remembers to tell of an event, if it is told at all. Never raises.

        Args:
            event: its type.
            payload: as the vocabulary has it.
            who: the process, for people to find its log.

        Returns:
            what forgets it again: for ``on_rollback`` of the transaction that the event is part of.
        """
        try:
            level = level_of(event, payload)
            if not is_told(event, level):
                return _nothing
            key = event, subject_of(event, payload)
            note = self._pending.get(key)
            if note is None:
                if len(self._pending) >= _MOST_NOTES:
                    self._unnamed[event] += 1
                    return _nothing
                note = self._pending[key] = _Note(key, level, *worded(event, payload), who)
        except Exception as error:  # noqa: BLE001  telling never fails the one who emits
            logger.warning("people cannot be told of %s: %s", event, type(error).__name__)
            return _nothing
        note.count += 1

        def forget() -> None:
            note.count -= 1
            if not note.count and self._pending.get(key) is note:
                del self._pending[key]

        return forget

    def start(self) -> None:
        """Begins to send what is pending, beside what the process does next. Called outside any transaction."""
        if self._pending and (self._task is None or self._task.done()):
            # in a context of its own: in no transaction, and in nobody's run
            self._task = asyncio.create_task(self._tell(shared=True), context=contextvars.Context())

    async def finish(self, seconds: float = NOTIFY_SECONDS, *, shared: bool = True) -> None:
        """Sends what is pending and waits for what is under way. Called outside any transaction. Never raises.

        Args:
            seconds: the longest wait (real); what is not sent by then is dropped.
            shared: whether the database is there to ask who tells; if not, this process goes by its own memory.
        """
        begun, self._task = self._task, None
        if not self._pending and (begun is None or begun.done()):
            return

        async def rest() -> None:
            if begun is not None:
                await asyncio.wait({begun})
            await self._tell(shared=shared)

        work = asyncio.create_task(rest(), context=contextvars.Context())
        try:
            await asyncio.wait({work}, timeout=max(seconds, 0))
        finally:
            if not work.done():
                logger.warning("people were not told of everything: the time for it was up")
                for task in (work, begun):
                    if task is not None:
                        task.cancel()
            self._pending.clear()

    async def _tell(self, *, shared: bool) -> None:
        """One message for each type and level of what is pending; what no service took stays pending."""
        notes, self._pending = self._pending, {}
        unnamed, self._unnamed = self._unnamed, defaultdict(int)
        if not notes:
            return
        try:
            claim = await self._claim(notes, shared=shared)
            groups: dict[tuple[EventType, Level], list[_Note]] = defaultdict(list)
            for key in claim.held_back:
                groups[key[0], notes[key].level].append(notes[key])
            sent = await asyncio.gather(
                *(self._send(event, group, claim, unnamed.pop(event, 0)) for (event, _), group in groups.items())
            )
            untold = [note for group, taken in zip(groups.values(), sent, strict=True) if not taken for note in group]
            if untold:
                await self._keep(untold, claim)
        except Exception as error:  # noqa: BLE001  telling never fails the one who emits
            logger.warning("people could not be told of %d thing(s): %s", len(notes), type(error).__name__)

    async def _claim(self, notes: Mapping[Key, _Note], *, shared: bool) -> Claim:
        """What of this is mine to tell: nobody has told it lately, as far as is known."""
        minutes = _setting("notify_interval_minutes", 60.0)
        more = {key: max(0, note.count - 1) for key, note in notes.items()}
        if not minutes:
            return Claim(more)
        if shared:
            try:
                async with asyncio.timeout(_CLAIM_SECONDS):
                    return await self._dao.claim({key: note.count for key, note in notes.items()}, minutes)
            except (AtlasError, TimeoutError) as error:
                logger.warning(
                    "people are told without asking the database who has told: %s", str(error) or "no answer"
                )
        now = time.monotonic()
        mine = [key for key in notes if key not in self._told or now - self._told[key] >= minutes * 60]
        self._told.update(dict.fromkeys(mine, now))
        return Claim({key: more[key] for key in mine})

    async def _send(self, event: EventType, notes: Collection[_Note], claim: Claim, unnamed: int) -> bool:
        """Whether any service took the message."""
        told = [(note.line, note.details, claim.held_back[note.key]) for note in notes]
        first = next(iter(notes))
        text = message(event, told, who=first.who, unnamed=unnamed)
        return any(delivery.taken for delivery in await notifier.send(text, first.level, event=event))

    async def _keep(self, untold: Collection[_Note], claim: Claim) -> None:
        """No service took it: another process, or this one at its end, may try again at once."""
        for note in untold:
            self._told.pop(note.key, None)
            newer = self._pending.setdefault(note.key, note)
            if newer is note:
                note.count = 0  # the claim that is given back counts them
        if claim.token is not None:
            async with asyncio.timeout(_CLAIM_SECONDS):
                await self._dao.release(claim, [note.key for note in untold])


def is_told(event: EventType, level: Level) -> bool:
    """Whether people are told of such an event: NOTIFY_LEVEL and NOTIFY_URLS say so."""
    secret = _setting("notify_urls", None)
    if secret is None or LEVELS.index(level) < LEVELS.index(Level(_setting("notify_level", Level.WARNING))):
        return False
    return any(entry.takes(event) for entry in notify_urls.parse(secret.get_secret_value()))


def _setting(name: str, default: Any) -> Any:
    """A setting; its default where it is wrong, which the process itself ends with."""
    try:
        return getattr(settings, name)
    except ConfigError:
        return default


def _nothing() -> None:
    pass


teller = Teller()
"""The process's own."""
