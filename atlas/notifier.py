"""Messages to people, over Apprise: chat, mail, push, whatever ``NOTIFY_URLS`` names (space-separated).

An entry is a URL, or ``type,type=URL`` for events of those types only. Without NOTIFY_URLS nothing happens and nothing
is logged. A notification never fails the one who sends it: a URL that is none, or a service that does not take the
message, is logged once per process. These URLs are secrets (they hold tokens and passwords), so the log names an entry
by its place only, and what Apprise and urllib3 would log about them is held back.

What is told of which event, and how often, is ``atlas.telling``'s.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from atlas import routes
from atlas.background import call_in_background
from atlas.config import settings
from atlas.plain import plain, unaddressed
from atlas.vocabulary import Level

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas.vocabulary import EventType

__all__ = ["NOTIFY_SECONDS", "Delivery", "Level", "notify", "send"]

NOTIFY_SECONDS = 15.0
"""The longest that one notification may hold up its sender (real seconds); all URLs are served at once."""
_SENDING = 2 / 3  # of it: the rest is for noting that nobody was told, so that another process tells

logger = logging.getLogger(__name__)

_APPRISE_TYPE: dict[str, str] = {Level.INFO: "info", Level.WARNING: "warning", Level.ERROR: "failure"}
_LEAKY_LOGGERS = ("apprise", "urllib3.connectionpool")
_said: set[tuple[str, str]] = set()


@dataclass
class Delivery:
    """What became of a message at one service.

    Attributes:
        entry: the service's place in NOTIFY_URLS, and which events it is told of.
        service: its kind as Apprise calls it, such as ``Telegram``; empty where it was not found out.
        problem: what went wrong; empty when it took the message.
    """

    entry: routes.Entry
    service: str = ""
    problem: str = ""


async def notify(title: str, body: str, level: str = Level.INFO, *, event: EventType | None = None) -> bool:
    """Sends a message to every service of NOTIFY_URLS that is told of such events. Never raises.

    Both texts are plain text, whatever they hold: services that show HTML get them escaped, control characters are
    taken out (line breaks stay in the body), and no ``@everyone`` in them notifies a room.

    Args:
        title: one line.
        body: any number of lines.
        level: ``info``, ``warning`` or ``error``: how it is marked, where the service can.
        event: what it is about; None: every service gets it.

    Returns:
        True when every service took it; False when one did not, or there is none for it.
    """
    deliveries = await send(title, body, level, event=event)
    return bool(deliveries) and not any(delivery.problem for delivery in deliveries)


async def send(title: str, body: str, level: str = Level.INFO, *, event: EventType | None = None) -> list[Delivery]:
    """As ``notify``, and says what became of it at each service. Never raises: empty where there is none."""
    try:
        secret = settings.notify_urls
        entries = routes.parse(secret.get_secret_value()) if secret else []
        title, body = " ".join(_plain(title).split()), _plain(body)
        deliveries = [Delivery(entry) for entry in entries if entry.takes(event)]
        await asyncio.gather(*(_send(delivery, len(entries), title, body, level) for delivery in deliveries))
    except Exception as error:  # noqa: BLE001  a notification never fails the one who sends it
        _say_once("", "notify", f"a notification could not be sent: {type(error).__name__}")
        return []
    return deliveries


async def _send(delivery: Delivery, of: int, title: str, body: str, level: str) -> None:
    """Sends to one service and says once what is wrong with it."""
    try:
        delivery.problem = await call_in_background(
            lambda: _deliver(delivery, title, body, level), seconds=NOTIFY_SECONDS * _SENDING, name="notify"
        )
    except TimeoutError:
        delivery.problem = f"did not answer within {NOTIFY_SECONDS * _SENDING:g} s"
    except Exception as error:  # noqa: BLE001  the type only: its text may hold the URL
        delivery.problem = f"failed with {type(error).__name__}"
    if delivery.problem:
        place = f"entry {delivery.entry.place} of {of} in NOTIFY_URLS"
        _say_once(delivery.entry.url, delivery.problem, f"{place} {delivery.problem}")


def _deliver(delivery: Delivery, title: str, body: str, level: str) -> str:
    """Blocks, in a thread of its own. What went wrong, or nothing."""
    with _quiet:
        import apprise  # noqa: PLC0415  its import and the loading of its services take most of a second

        asset = apprise.AppriseAsset(app_id="Maia", app_desc="Maia", storage_mode="memory")
        # instantiate takes the entry as one URL, where add() would split it at commas
        service: Any = apprise.Apprise.instantiate(delivery.entry.url, asset=asset)
        if service is None:
            return "is no URL that Apprise can use; see its list of services for how it is written"
        delivery.service = str(service.service_name)
        sender = apprise.Apprise(asset=asset)
        sender.add(service)
        taken = sender.notify(title=title, body=body or title, notify_type=_APPRISE_TYPE[level], body_format="text")
    return "" if taken else "was not delivered"


class _Quiet:
    """While any notification is under way, drops what the libraries below it log: URLs, paths with tokens, answers.

    A filter on the loggers, and not a level, since a logging configuration that comes later sets levels again. Counted,
    as notifications overlap and one that overran its time may still be going on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            self._each(lambda log: log.addFilter(self))

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._each(lambda log: log.removeFilter(self))

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  the interface of logging filters
        return False

    @staticmethod
    def _each(act: Callable[[logging.Logger], None]) -> None:
        for name in _LEAKY_LOGGERS:
            act(logging.getLogger(name))


_quiet = _Quiet()


def _say_once(url: str, problem: str, message: str) -> None:
    if (url, problem) not in _said:
        _said.add((url, problem))
        logger.warning("notifier: %s", message)


def _plain(text: str) -> str:
    """Without control characters, save tabs and line breaks, and such that it calls nobody."""
    return unaddressed(plain(str(text), keep="\n\t", instead=""))
