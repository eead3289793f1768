"""Send messages to people over Apprise: chat, mail, push, whatever NOTIFY_URLS names.

Without NOTIFY_URLS nothing happens and nothing is logged. A notification never fails its sender: a wrong URL, or a
service that does not take the message, is logged once per process with the service's reason. The URLs are secrets, so
the log names an entry by its place only; the log records of Apprise and urllib3 are dropped, and only the reason in
them is shown, with every part of the URL masked.

A message is one request to each service, shortened to what that service takes (`atlas.notifier.messages`).
`atlas.notifier.dispatcher` decides which events are sent, and how often.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import html
import logging
import re
import threading
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from atlas.background import call_in_background
from atlas.config import notify_urls, settings
from atlas.event_types import Level
from atlas.notifier.messages import Limits, Message, escape_markdown, fit, json_bytes, utf16_units
from atlas.redaction import scrub
from atlas.sanitize import escape_mentions, sanitize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from atlas.event_types import EventType

__all__ = ["NOTIFY_SECONDS", "Delivery", "Level", "notify", "send"]

NOTIFY_SECONDS = 15.0
"""The longest that one notification may delay its sender (real seconds); all URLs are served at once."""
_SENDING = 2 / 3  # of it; the rest is for releasing the claim, so that another process notifies

logger = logging.getLogger(__name__)

_APPRISE_TYPE: dict[str, str] = {Level.INFO: "info", Level.WARNING: "warning", Level.ERROR: "failure"}
_APPRISE_LOGGER = "apprise"
_LEAKY_LOGGERS = (_APPRISE_LOGGER, "urllib3.connectionpool")
_NTFY_BYTES = 4096  # a longer message becomes a file in its app; Apprise allows more
_SLACK_HEADER, _SLACK_SECTION = 150, 3000  # of a message in blocks; Apprise names the limits of one without
_LONGEST_REASON = 200
_SHORTEST_ANYWHERE = 4  # characters: shorter parts of a URL are masked as whole words only
_logged: set[tuple[str, str]] = set()


@dataclass
class Delivery:
    """What became of a message at one service.

    Attributes:
        entry: the service's entry of NOTIFY_URLS.
        service: its kind as Apprise calls it, such as `Telegram`; empty if it is unknown.
        problem: what went wrong; empty when it took the message.
        records: what Apprise logged meanwhile. They contain secrets.
    """

    entry: notify_urls.Entry
    service: str = ""
    problem: str = ""
    records: list[logging.LogRecord] = field(default_factory=list, repr=False)

    @property
    def taken(self) -> bool:
        """Whether it reached anybody: an entry may name several chats, of which one refuses."""
        return not self.problem or any(
            record.levelno == logging.INFO and record.getMessage().startswith("Sent ") for record in self.records
        )


async def notify(title: str, body: str, level: str = Level.INFO, *, event: EventType | None = None) -> bool:
    """Send a message to every service of NOTIFY_URLS that takes such events. Never raise.

    Both texts are plain text: HTML is escaped, control characters are removed (line breaks stay in the body), and no
    `@everyone` in them notifies a room.

    Args:
        title: one line.
        body: any number of lines.
        level: `info`, `warning` or `error`, for services that mark it.
        event: what it is about; None: every service gets it.

    Returns:
        True if every service took it; False if one did not, or there is none for it.
    """
    deliveries = await send(Message(title, (body,)), level, event=event)
    return bool(deliveries) and not any(delivery.problem for delivery in deliveries)


async def send(message: Message, level: str = Level.INFO, *, event: EventType | None = None) -> list[Delivery]:
    """Send as `notify` does. Return what became of it at each service. Never raise."""
    try:
        secret = settings.notify_urls
        entries = notify_urls.parse(secret.get_secret_value()) if secret else []
        message = message.map(_sanitize)
        deliveries = [Delivery(entry) for entry in entries if entry.takes(event)]
        await asyncio.gather(*(_send(delivery, len(entries), message, level) for delivery in deliveries))
    except Exception as error:  # noqa: BLE001  a notification never fails its sender
        _log_once("", "notify", f"a notification could not be sent: {type(error).__name__}")
        return []
    return deliveries


async def _send(delivery: Delivery, of: int, message: Message, level: str) -> None:
    """Send to one service, and log once what is wrong with it."""
    try:
        delivery.problem = await call_in_background(
            lambda: _deliver(delivery, message, level), seconds=NOTIFY_SECONDS * _SENDING, name="notify"
        )
    except TimeoutError:
        delivery.problem = f"did not answer within {NOTIFY_SECONDS * _SENDING:g} s"
    except Exception as error:  # noqa: BLE001  the type only: its text may hold the URL
        delivery.problem = f"failed with {type(error).__name__}"
    if delivery.problem:
        place = f"entry {delivery.entry.place} of {of} in NOTIFY_URLS"
        _log_once(delivery.entry.url, delivery.problem, f"{place} {delivery.problem}")


def _deliver(delivery: Delivery, message: Message, level: str) -> str:
    """Block, in a thread of its own, until the service has answered. Return what went wrong, or nothing."""
    with _quiet.listening(delivery.records):
        import apprise  # noqa: PLC0415  its import and the loading of its services take most of a second

        asset = apprise.AppriseAsset(app_id="Maia", app_desc="Maia", storage_mode="memory", async_mode=False)
        # instantiate takes the entry as one URL, where add() would split it at commas
        service: Any = apprise.Apprise.instantiate(delivery.entry.url, asset=asset)
        if service is None:
            return "is not a URL that Apprise can use; see its list of services"
        delivery.service = str(service.service_name)
        limits = _limits(service)
        title, body = fit(message, limits)
        service.overflow_mode = apprise.OverflowMode.UPSTREAM  # it fits, whatever the URL says
        sender = apprise.Apprise(asset=asset)
        sender.add(service)
        taken = sender.notify(title=title, body=body, notify_type=_APPRISE_TYPE[level], body_format="text")
    return "" if taken else _reason(delivery)


def _limits(service: Any) -> Limits:
    """Return the limits of a service of Apprise, and make it show plain text as it is."""
    import apprise  # noqa: PLC0415  see _deliver

    limits = Limits(
        int(service.title_maxlen),
        int(service.body_maxlen),
        int(service.body_max_line_count),
        shared=bool(service.overflow_amalgamate_title),
    )
    match str(service.service_name):
        case "Telegram":
            service.notify_format = apprise.NotifyFormat.HTML  # in Markdown, Telegram refuses a single _
        case "Discord":
            limits = replace(limits, escape=escape_markdown)
        case "Slack":
            service.notify_format = apprise.NotifyFormat.TEXT  # its default is Markdown
            limits = replace(limits, escape=partial(html.escape, quote=False))
            if service.use_blocks:
                limits = replace(limits, title=_SLACK_HEADER, body=_SLACK_SECTION)
        case "ntfy":
            limits = replace(limits, body=min(limits.body, _NTFY_BYTES), measure=json_bytes)
        case _ if service.notify_format == "html":
            limits = replace(limits, measure=_html_units)
    return limits


def _html_units(text: str) -> int:
    from apprise import URLBase  # noqa: PLC0415  see _deliver

    return utf16_units(URLBase.escape_html(text, convert_new_lines=True))  # type: ignore[no-untyped-call]


def _reason(delivery: Delivery) -> str:
    """Return why a service did not take the message: status and reason, without any part of its URL."""
    warnings = [record.getMessage() for record in delivery.records if record.levelno >= logging.WARNING]
    details = [record.getMessage() for record in delivery.records if record.levelno < logging.INFO]
    answers = [text.partition(":")[2] for text in details if text.startswith("Response Details")]
    broken = [text.rpartition("Caused by ")[2] for text in details if text.startswith("Socket Exception")]
    warning = warnings[-1] if warnings else ""
    status = re.search(r"error=(\d{3})\b", warning)
    if status:
        number = int(status[1])
        phrase = HTTPStatus(number).phrase if number in set(HTTPStatus) else "?"
        problem, reason = f"was refused with {number} ({phrase})", answers[-1].strip() if answers else warning
        with contextlib.suppress(ValueError, SyntaxError, AttributeError):  # it is logged as bytes
            reason = ast.literal_eval(reason).decode("utf-8", "replace")
    else:
        problem, reason = "was not delivered", " ".join([warning, *broken[-1:]])
    reason = _masked(reason, delivery.entry.url)
    return f"{problem}: {reason}" if reason else problem


def _masked(text: str, url: str) -> str:
    """Return foreign text on one line, without any part of a URL or anything that looks like a secret."""
    parts = {part for form in (url, unquote(url)) for part in re.split(r"[^\w.-]+", form.partition("://")[2])}
    for part in sorted(parts - {""}, key=len, reverse=True):
        border = r"\b" if len(part) < _SHORTEST_ANYWHERE else ""
        text = re.sub(border + re.escape(part) + border, "***", text, flags=re.IGNORECASE)
    text = re.sub(r"\S+@\S+|\b(?=[\w-]*\d)[\w-]{24,}", "***", scrub(text))
    text = " ".join(sanitize(text).split())
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "…"


class _Quiet:
    """Drop what libraries log while any notification is under way: URLs, paths with tokens, answers.

    It is a filter on the loggers, since a later logging configuration resets their levels. Notifications overlap. What
    Apprise logs in the thread of a notification is kept for it, whatever the level.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[int, list[logging.LogRecord]] = {}
        self._level = logging.NOTSET

    @contextlib.contextmanager
    def listening(self, records: list[logging.LogRecord]) -> Iterator[None]:
        """Add what Apprise logs in this thread to the list."""
        log = logging.getLogger(_APPRISE_LOGGER)
        thread = threading.get_ident()
        with self._lock:
            if not self._records:
                self._level = log.level
                self._each(lambda log: log.addFilter(self))
            log.setLevel(logging.DEBUG)
            self._records[thread] = records
        try:
            yield
        finally:
            with self._lock:
                del self._records[thread]
                if not self._records:
                    self._each(lambda log: log.removeFilter(self))
                    if log.level == logging.DEBUG:  # unless a logging configuration changed it
                        log.setLevel(self._level)

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop the record, and keep it for the notification that caused it (the interface of logging filters)."""
        records = self._records.get(record.thread or 0)
        if records is not None and record.name == _APPRISE_LOGGER:
            records.append(record)
        return False

    @staticmethod
    def _each(act: Callable[[logging.Logger], None]) -> None:
        for name in _LEAKY_LOGGERS:
            act(logging.getLogger(name))


_quiet = _Quiet()


def _log_once(url: str, problem: str, message: str) -> None:
    if (url, problem) not in _logged:
        _logged.add((url, problem))
        logger.warning("notifier: %s", message)


def _sanitize(text: str) -> str:
    """Return the text without control characters but tabs and line breaks, and without mentions."""
    return escape_mentions(sanitize(str(text), keep="\n\t", instead=""))
