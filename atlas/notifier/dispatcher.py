"""Notify people of events: which events, how often, and when.

People are notified of an event if its level is at least NOTIFY_LEVEL and an entry of NOTIFY_URLS takes its type. They
are notified of the same thing (type and subject) once in NOTIFY_INTERVAL_MINUTES, by the first process: 200
shards that meet the same suspended key send one message. The table `notifications` counts suppressed events, and the
next message says how many there were.

In NOTIFY_QUIET_HOURS, and beyond NOTIFY_MAX_PER_HOUR messages, only errors are sent. Other events are held: the table
counts them, and the first run after that reads them from the table `events` and sends one message for each type.

`default` is the process's dispatcher. It collects notifications, and sends them during the next cycle and at the end of
the process, within NOTIFY_SECONDS. It never raises. A transaction that is rolled back discards its notifications, so
sending begins only outside of transactions.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from atlas import notifier
from atlas.clock import clock
from atlas.config import notify_urls, settings
from atlas.config.day_times import parse_quiet_hours
from atlas.database import Database
from atlas.errors import AtlasError, ConfigError
from atlas.event_types import EVENT_TYPES, LEVELS, EventType, Level, level_of, subject_of
from atlas.notifier import NOTIFY_SECONDS
from atlas.notifier.dedup import Key, NotificationClaim, NotificationDAO
from atlas.notifier.templates import event_message, render

__all__ = ["NOTIFY_SECONDS", "Dispatcher", "default", "describers", "is_notified"]

logger = logging.getLogger(__name__)

_MOST_PENDING = 1_000  # subjects that one process lists; further ones are only counted
_HELD = "Held back by the quiet hours, or by the limit of messages in an hour."
_HELD_LEVELS = (Level.INFO, Level.WARNING)
_HOLD_SECONDS = 1.0  # time limit for holding again what was taken and could not be sent
_DATABASE_SECONDS = 5.0  # time limit for claiming in the database; then this process notifies


@dataclass
class _Notification:
    """A pending notification; `count` is the number of its events."""

    key: Key
    level: Level
    line: str
    details: str
    sender: str
    at: datetime  # of its first event, schedule clock
    count: int = 0


Describer = Callable[[Database, Sequence[str]], Awaitable[Mapping[str, tuple[str, str]]]]
"""Returns a line and details for each subject that the database knows."""

describers: dict[EventType, Describer] = {}
"""How to describe events of a type, at the moment when their message is sent."""


class Dispatcher:
    """The notifications of one process. Constructing it does no I/O."""

    def __init__(self, store: Database | None = None) -> None:
        self._dao = NotificationDAO(store)
        self._pending: dict[Key, _Notification] = {}
        self._unlisted: Counter[EventType] = Counter()
        self._notified_at: dict[Key, float] = {}
        self._task: asyncio.Task[None] | None = None

    def notify(
        self, event: EventType, payload: Mapping[str, Any], *, sender: str = "", at: datetime | None = None
    ) -> Callable[[], None]:
        """Queue a notification of an event, if people are notified of such events. Never raise.

        Return a function that discards it, for `on_rollback` of the event's transaction. `sender` names the run, so
        that people find its log. `at`: the event's time in the table; None: now.
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
                notification = self._pending[key] = _Notification(
                    key, level, *render(event, payload), sender, at or clock.now()
                )
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
        """Start sending what is pending, in the background. Call it outside of transactions."""
        if self._pending and (self._task is None or self._task.done()):
            # in an empty context: outside of any transaction and run
            self._task = asyncio.create_task(self._send_pending(shared=True), context=contextvars.Context())

    async def finish(self, seconds: float = NOTIFY_SECONDS, *, shared: bool = True) -> None:
        """Send what is pending and wait until all is sent. Call it outside of transactions. Never raise.

        What is not sent within some real ``seconds`` is dropped. `shared`: the database decides which process notifies.
        """
        begun, self._task = self._task, None
        if _setting("notify_urls", None) is None:
            return

        async def rest() -> None:
            if begun is not None:
                await asyncio.wait({begun})
            await self._send_pending(shared=shared)
            if shared:
                await self._send_held()

        work = asyncio.create_task(rest(), context=contextvars.Context())
        try:
            await asyncio.wait({work}, timeout=max(seconds, 0))
        finally:
            if not work.done():
                logger.warning("some notifications were dropped: not sent within %.0f s", max(seconds, 0))
                for task in (work, begun):
                    if task is not None:
                        task.cancel()
                await asyncio.wait({work}, timeout=_HOLD_SECONDS)
            self._pending.clear()

    async def _send_pending(self, *, shared: bool) -> None:
        """Send one message for each type and level; what no service accepted stays pending."""
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
                *(
                    self._send(event, group, claim, unlisted.pop(event, 0), shared=shared)
                    for (event, _), group in groups.items()
                ),
                return_exceptions=True,
            )
            for error in taken:
                if isinstance(error, Exception):
                    logger.warning("a notification could not be sent: %s", type(error).__name__)
            failed = [
                each for group, ok in zip(groups.values(), taken, strict=True) if ok is not True for each in group
            ]
            if failed:
                await self._keep(failed, claim)
        except Exception as error:  # noqa: BLE001  a notification never fails the process
            logger.warning("%d notification(s) could not be sent: %s", len(pending), type(error).__name__)

    async def _claim(self, pending: Mapping[Key, _Notification], *, shared: bool) -> NotificationClaim:
        """Claim what had no notification within the interval; if the database fails, by this process's memory."""
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
        self, event: EventType, group: Collection[_Notification], claim: NotificationClaim, unlisted: int, *,
        shared: bool,
    ) -> bool:  # fmt: skip
        """Return whether any service accepted the message, or it is held."""
        first = next(iter(group))
        if first.level is not Level.ERROR and not await self._may_send(shared=shared):
            await self._hold(group, shared=shared)
            return True
        rendered = [(each.line, each.details, claim.suppressed[each.key]) for each in group]
        if event in describers and shared:
            rendered = await self._describe(describers[event], group, rendered)
        message = event_message(event, rendered, sender=first.sender, unlisted=unlisted)
        return any(delivery.accepted for delivery in await notifier.send(message, first.level, event=event))

    async def _may_send(self, *, shared: bool, held: bool = False) -> bool:
        """Return whether a message that is no error may be sent now. A database that fails does not prevent it."""
        if is_quiet():
            return False
        if not shared:
            return True
        try:
            async with asyncio.timeout(_DATABASE_SECONDS):
                return await self._dao.may_send(_setting("notify_max_per_hour", 30), held=held)
        except (AtlasError, TimeoutError) as error:
            logger.warning("cannot count messages against NOTIFY_MAX_PER_HOUR: %s", str(error) or "no answer")
            return True

    async def _hold(self, group: Collection[_Notification], *, shared: bool) -> None:
        """Leave events to the first run that may send a message."""
        if not shared:
            logger.warning("%d notification(s) are not sent in the quiet hours", len(group))
            return
        async with asyncio.timeout(_DATABASE_SECONDS):
            first = next(iter(group))
            await self._dao.hold(first.key[0], min(each.at for each in group), sum(each.count for each in group))

    async def _describe(
        self, describer: Describer, group: Collection[_Notification], rendered: list[tuple[str, str, int]]
    ) -> list[tuple[str, str, int]]:
        """Replace the templates' text by what the database knows of the subjects."""
        try:
            async with asyncio.timeout(_DATABASE_SECONDS):
                known = await describer(self._dao.store, [each.key[1] for each in group])
        except Exception as error:  # noqa: BLE001  the templates' text is enough
            logger.warning("cannot describe the subjects of a notification: %s", type(error).__name__)
            return rendered
        return [
            (*known.get(each.key[1], (line, details)), number)
            for each, (line, details, number) in zip(group, rendered, strict=True)
        ]

    async def _send_held(self) -> None:
        """Send the events that were held, unless they still have to wait. What is not sent is held again."""
        held: dict[EventType, tuple[datetime, int]] = {}
        try:
            if is_quiet():
                return
            async with asyncio.timeout(_DATABASE_SECONDS):
                held = await self._dao.take_held()
            for event, (since, number) in sorted(held.items(), key=lambda each: each[1]):
                try:
                    if await self._send_held_of(event, since, number):
                        del held[event]
                except Exception as error:  # noqa: BLE001  the other types are sent all the same
                    logger.warning("held notifications of %s could not be sent: %s", event, type(error).__name__)
        except Exception as error:  # noqa: BLE001  a notification never fails the process
            logger.warning("the notifications that were held could not be sent: %s", type(error).__name__)
        finally:
            for event, (since, number) in held.items():
                with contextlib.suppress(AtlasError, TimeoutError):
                    async with asyncio.timeout(_DATABASE_SECONDS):
                        await self._dao.hold(event, since, number)

    async def _send_held_of(self, event: EventType, since: datetime, number: int) -> bool:
        """Send the held events of a type; return whether none of them has to wait any longer."""
        group: dict[str, tuple[str, str, int]] = {}
        found = await self._dao.events_since(since, [event], _MOST_PENDING)
        for _, payload in found:
            level = level_of(event, payload)
            if level is Level.ERROR or not is_notified(event, level):
                continue  # an error was sent when it happened
            subject = subject_of(event, payload)
            more = group[subject][2] + 1 if subject in group else 0
            group[subject] = (*render(event, payload), more)
        if not group:
            return True
        if not await self._may_send(shared=True, held=True):
            return False
        listed = sum(1 + more for _, _, more in group.values())
        unlisted = max(0, number - listed) if len(found) == _MOST_PENDING else 0
        message = event_message(event, list(group.values()), note=_HELD, unlisted=unlisted)
        deliveries = await notifier.send(message, EVENT_TYPES[event].level, event=event)
        accepted = any(delivery.accepted for delivery in deliveries)
        if not accepted:
            await self._dao.uncount_message()  # another type may have a service that works
        return accepted

    async def _keep(self, failed: Collection[_Notification], claim: NotificationClaim) -> None:
        """Release what no service accepted, so that another process, or this one at its end, sends it."""
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
    if event is EventType.DIGEST:
        level = Level.ERROR if _setting("notify_digest_at", None) else Level.INFO
    if secret is None or LEVELS.index(level) < LEVELS.index(Level(_setting("notify_level", Level.WARNING))):
        return False
    return any(entry.takes(event) for entry in notify_urls.parse(secret.get_secret_value()))


def is_quiet() -> bool:
    """Return whether it is one of NOTIFY_QUIET_HOURS."""
    hours = _setting("notify_quiet_hours", None)
    if hours is None:
        return False
    return parse_quiet_hours(hours).contain(clock.real().astimezone(ZoneInfo(_setting("display_time_zone", "UTC"))))


def _setting(name: str, default: Any) -> Any:
    """Return a setting, or its default if it is wrong: the process reports that elsewhere."""
    try:
        return getattr(settings, name)
    except ConfigError:
        return default


def _nothing() -> None:
    pass


default = Dispatcher()
