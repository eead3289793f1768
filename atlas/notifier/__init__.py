"""Send messages to people over Apprise: chat, mail, push, whatever NOTIFY_URLS names.

Without NOTIFY_URLS nothing happens and nothing is logged. A notification never fails its sender: a wrong URL, or a
service that refuses the message, is logged once per process with the service's reason. The URLs are secrets, so
the log names an entry by its place only; the log records of Apprise and urllib3 are dropped, and only the reason in
them is shown, with every part of the URL masked.

A message is one request to each service, shortened to the limits of that service (`atlas.notifier.messages`).
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
from atlas.notifier.messages import Message, MessageLimits, escape_markdown, fit, json_bytes, utf16_units
from atlas.redaction import scrub
from atlas.sanitize import escape_mentions, sanitize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas.event_types import EventType

__all__ = ["NOTIFY_SECONDS", "Delivery", "Level", "notify", "send"]

NOTIFY_SECONDS = 15.0
"""Maximum delay of the sender by one notification (real seconds); all URLs are notified at once."""
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
    """The outcome of a message at one service."""

    entry: notify_urls.NotifyService
    service: str = ""  # its kind as Apprise calls it, such as `Telegram`; empty if it is unknown
    problem: str = ""  # empty if the service accepted the message
    records: list[logging.LogRecord] = field(default_factory=list, repr=False)  # of Apprise; they contain secrets

    @property
    def accepted(self) -> bool:
        """Whether it reached at least one chat: an entry may name several."""
        return not self.problem or any(
            record.levelno == logging.INFO and record.getMessage().startswith("Sent ") for record in self.records
        )


async def notify(title: str, body: str, level: str = Level.INFO, *, event: EventType | None = None) -> bool:
    """Send a message to every service of NOTIFY_URLS that gets such events (None: to all). Never raise.

    Both texts are plain text: HTML is escaped, control characters are removed (line breaks stay in the body), and no
    `@everyone` in them notifies a room. Return whether there was a service and every one accepted it.
    """
    deliveries = await send(Message(title, (body,)), level, event=event)
    return bool(deliveries) and not any(delivery.problem for delivery in deliveries)


async def send(message: Message, level: str = Level.INFO, *, event: EventType | None = None) -> list[Delivery]:
    """Send as `notify` does. Return the outcome at each service. Never raise."""
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
    """Block, in a thread of its own, until the service has answered. Return what went wrong, or ""."""
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


def _limits(service: Any) -> MessageLimits:
    """Return the limits of a service, and set it to plain text."""
    import apprise  # noqa: PLC0415  see _deliver

    limits = MessageLimits(
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
    """Return the reason of a failure, without any part of the URL."""
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
        with contextlib.suppress(ValueError, SyntaxError, AttributeError):  # it is logged as a bytes literal
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
    """Drop what libraries log while a notification is being sent: URLs, paths with tokens, answers.

    A filter on the loggers, since a later logging configuration resets their levels. Notifications overlap; what
    Apprise logs in the thread of a notification is collected for it, at any level.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[int, list[logging.LogRecord]] = {}
        self._level = logging.NOTSET

    @contextlib.contextmanager
    def listening(self, records: list[logging.LogRecord]) -> Iterator[None]:
        """Add what Apprise logs in this thread to the list."""
        loggers = [logging.getLogger(name) for name in _LEAKY_LOGGERS]
        thread = threading.get_ident()
        with self._lock:
            if not self._records:
                self._level = loggers[0].level
                for log in loggers:
                    log.addFilter(self)
            loggers[0].setLevel(logging.DEBUG)
            self._records[thread] = records
        try:
            yield
        finally:
            with self._lock:
                del self._records[thread]
                if not self._records:
                    for log in loggers:
                        log.removeFilter(self)
                    if loggers[0].level == logging.DEBUG:  # unless a logging configuration changed it
                        loggers[0].setLevel(self._level)

    def filter(self, record: logging.LogRecord) -> bool:
        records = self._records.get(record.thread or 0)
        if records is not None and record.name == _APPRISE_LOGGER:
            records.append(record)
        return False


_quiet = _Quiet()


def _log_once(url: str, problem: str, message: str) -> None:
    if (url, problem) not in _logged:
        _logged.add((url, problem))
        logger.warning("notifier: %s", message)


def _sanitize(text: str) -> str:
    """Return the text without control characters but tabs and line breaks, and without mentions."""
    return escape_mentions(sanitize(str(text), keep="\n\t", instead=""))
