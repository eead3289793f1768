"""Notify people of events: of which, how often, and when.

People are notified of an event if its level is at least NOTIFY_LEVEL and an entry of NOTIFY_URLS takes its type. They
are notified of the same thing (type and subject) once in NOTIFY_INTERVAL_MINUTES, by whichever process comes first: 200
shards that meet the same suspended key send one message. The table `notifications` counts suppressed events, and the
next message says how many there were.

`default` is the process's dispatcher. It collects while the process works, and sends beside the next cycle and at the
process's end, within NOTIFY_SECONDS. It never raises. A transaction that is rolled back discards its notifications, so
sending begins only outside of transactions.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from atlas import notifier
from atlas.config import notify_urls, settings
from atlas.database import Database
from atlas.errors import AtlasError, ConfigError
from atlas.event_types import LEVELS, EventType, Level, level_of, subject_of
from atlas.notifier import NOTIFY_SECONDS
from atlas.notifier.dedup import Key, NotificationClaim, NotificationDAO
from atlas.notifier.templates import event_message, render

__all__ = ["NOTIFY_SECONDS", "Dispatcher", "default", "is_notified"]

logger = logging.getLogger(__name__)

_MOST_PENDING = 1_000  # things that one process keeps at once; beyond that they are only counted
_DATABASE_SECONDS = 5.0  # a slower database is not asked which process notifies


@dataclass
class _Notification:
    """Something to notify people of; `count` is how many events it stands for."""

    key: Key
    level: Level
    line: str
    details: str
    sender: str
    count: int = 0


class Dispatcher:
    """The notifications of one process. Constructing it does no I/O.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database | None = None) -> None:
        self._dao = NotificationDAO(store)
        self._pending: dict[Key, _Notification] = {}
        self._unlisted: Counter[EventType] = Counter()
        self._notified_at: dict[Key, float] = {}
        self._task: asyncio.Task[None] | None = None

    def notify(self, event: EventType, payload: Mapping[str, Any], *, sender: str = "") -> Callable[[], None]:
        """Keep a notification of an event for sending, if people are notified of it at all. Never raise.

        Args:
            event: its type.
            payload: with the keys that `EVENT_TYPES` names.
            sender: the run, so that people find its log.

        Returns:
            A function that discards the notification: for `on_rollback` of the event's transaction.
        """
        try:
            level = level_of(event, payload)
            if not is_notified(event, level):
                return _nothing
            key = event, subject_of(event, payload)
            notification = self._pending.get(key)
            if notification is None:
                if len(self._pending) >= _MOST_PENDING:
                    self._unlisted[event] += 1
                    return _nothing
                notification = self._pending[key] = _Notification(key, level, *render(event, payload), sender)
        except Exception as error:  # noqa: BLE001  a notification never fails the caller
            logger.warning("cannot prepare a notification for %s: %s", event, type(error).__name__)
            return _nothing
        notification.count += 1

        def discard() -> None:
            notification.count -= 1
            if not notification.count and self._pending.get(key) is notification:
                del self._pending[key]

        return discard

    def start(self) -> None:
        """Begin to send what is pending, beside what the process does next. Call it outside of transactions."""
        if self._pending and (self._task is None or self._task.done()):
            # in a context of its own: in no transaction, and in no run
            self._task = asyncio.create_task(self._send_pending(shared=True), context=contextvars.Context())

    async def finish(self, seconds: float = NOTIFY_SECONDS, *, shared: bool = True) -> None:
        """Send what is pending and wait for what is under way. Call it outside of transactions. Never raise.

        Args:
            seconds: the longest wait (real); what is not sent by then is dropped.
            shared: whether the database can say which process notifies; if not, this process decides by itself.
        """
        begun, self._task = self._task, None
        if not self._pending and (begun is None or begun.done()):
            return

        async def rest() -> None:
            if begun is not None:
                await asyncio.wait({begun})
            await self._send_pending(shared=shared)

        work = asyncio.create_task(rest(), context=contextvars.Context())
        try:
            await asyncio.wait({work}, timeout=max(seconds, 0))
        finally:
            if not work.done():
                logger.warning("some notifications were not sent in time")
                for task in (work, begun):
                    if task is not None:
                        task.cancel()
            self._pending.clear()

    async def _send_pending(self, *, shared: bool) -> None:
        """Send one message for each type and level; what no service took stays pending."""
        pending, self._pending = self._pending, {}
        unlisted, self._unlisted = self._unlisted, Counter()
        if not pending:
            return
        try:
            claim = await self._claim(pending, shared=shared)
            groups: dict[tuple[EventType, Level], list[_Notification]] = defaultdict(list)
            for key in claim.suppressed:
                groups[key[0], pending[key].level].append(pending[key])
            taken = await asyncio.gather(
                *(self._send(event, group, claim, unlisted.pop(event, 0)) for (event, _), group in groups.items())
            )
            failed = [each for group, ok in zip(groups.values(), taken, strict=True) if not ok for each in group]
            if failed:
                await self._keep(failed, claim)
        except Exception as error:  # noqa: BLE001  a notification never fails the process
            logger.warning("%d notification(s) could not be sent: %s", len(pending), type(error).__name__)

    async def _claim(self, pending: Mapping[Key, _Notification], *, shared: bool) -> NotificationClaim:
        """Return what this process has to send: what had no notification within the interval, as far as is known."""
        minutes = _setting("notify_interval_minutes", 60.0)
        more = {key: max(0, each.count - 1) for key, each in pending.items()}
        if not minutes:
            return NotificationClaim(more)
        if shared:
            try:
                async with asyncio.timeout(_DATABASE_SECONDS):
                    return await self._dao.claim({key: each.count for key, each in pending.items()}, minutes)
            except (AtlasError, TimeoutError) as error:
                logger.warning(
                    "cannot ask the database which process notifies, so this one does: %s", str(error) or "no answer"
                )
        now = time.monotonic()
        mine = [key for key in pending if now - self._notified_at.get(key, float("-inf")) >= minutes * 60]
        self._notified_at.update(dict.fromkeys(mine, now))
        return NotificationClaim({key: more[key] for key in mine})

    async def _send(
        self, event: EventType, group: Collection[_Notification], claim: NotificationClaim, unlisted: int
    ) -> bool:
        """Return whether any service took the message."""
        rendered = [(each.line, each.details, claim.suppressed[each.key]) for each in group]
        first = next(iter(group))
        message = event_message(event, rendered, sender=first.sender, unlisted=unlisted)
        return any(delivery.taken for delivery in await notifier.send(message, first.level, event=event))

    async def _keep(self, failed: Collection[_Notification], claim: NotificationClaim) -> None:
        """Let another process, or this one at its end, send at once what no service took."""
        for each in failed:
            self._notified_at.pop(each.key, None)
            if self._pending.setdefault(each.key, each) is each:
                each.count = 0  # the released claim counts its events
        if claim.token is not None:
            async with asyncio.timeout(_DATABASE_SECONDS):
                await self._dao.release(claim, [each.key for each in failed])


def is_notified(event: EventType, level: Level) -> bool:
    """Return whether people are notified of such an event, by NOTIFY_LEVEL and NOTIFY_URLS."""
    secret = _setting("notify_urls", None)
    if secret is None or LEVELS.index(level) < LEVELS.index(Level(_setting("notify_level", Level.WARNING))):
        return False
    return any(entry.takes(event) for entry in notify_urls.parse(secret.get_secret_value()))


def _setting(name: str, default: Any) -> Any:
    """Return a setting, or its default where it is wrong: the process itself ends with that."""
    try:
        return getattr(settings, name)
    except ConfigError:
        return default


def _nothing() -> None:
    pass


default = Dispatcher()
