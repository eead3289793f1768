"""Messages to people, over Apprise: chat, mail, push, whatever ``NOTIFY_URLS`` names (space-separated).

Without NOTIFY_URLS nothing happens and nothing is logged. A notification never fails the one who sends it: a URL that
is none, or a service that does not take the message, is logged once per process. These URLs are secrets (they hold
tokens and passwords), so the log names an entry by its place only, and what Apprise and urllib3 would log about them is
held back.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import unicodedata
from typing import TYPE_CHECKING, Any, Literal

from atlas.background import call_in_background
from atlas.config import settings

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NOTIFY_SECONDS", "Level", "notify"]

Level = Literal["info", "warning", "error"]

NOTIFY_SECONDS = 15.0
"""The longest that one notification may hold up its sender (real seconds); all URLs are served at once."""

logger = logging.getLogger(__name__)

_APPRISE_TYPE = {"info": "info", "warning": "warning", "error": "failure"}
_LEAKY_LOGGERS = ("apprise", "urllib3.connectionpool")
_said: set[tuple[str, str]] = set()


async def notify(title: str, body: str, level: Level = "info") -> bool:
    """Sends a message to every service of NOTIFY_URLS. Never raises.

    Both texts are plain text, whatever they hold: services that show HTML get them escaped, and control characters are
    taken out (line breaks stay in the body).

    Args:
        title: one line.
        body: any number of lines.
        level: how it is marked, where the service can.

    Returns:
        True when every service took it; False when one did not, or none is configured.
    """
    try:
        secret = settings.notify_urls
        urls = secret.get_secret_value().split() if secret else []
        if not urls:
            return False
        title, body = " ".join(_plain(title).split()), _plain(body)
        taken = await asyncio.gather(
            *(_send(url, f"entry {n} of {len(urls)}", title, body, level) for n, url in enumerate(urls, 1))
        )
    except Exception as error:  # noqa: BLE001  a notification never fails the one who sends it
        _say_once("", "notify", f"a notification could not be sent: {type(error).__name__}")
        return False
    return all(taken)


async def _send(url: str, entry: str, title: str, body: str, level: Level) -> bool:
    """Sends to one service and says once what is wrong with it."""
    try:
        problem = await call_in_background(
            lambda: _deliver(url, title, body, level), seconds=NOTIFY_SECONDS, name="notify"
        )
    except TimeoutError:
        problem = f"did not answer within {NOTIFY_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001  the type only: its text may hold the URL
        problem = f"failed with {type(error).__name__}"
    if problem:
        _say_once(url, problem, f"{entry} in NOTIFY_URLS {problem}")
    return not problem


def _deliver(url: str, title: str, body: str, level: Level) -> str:
    """Blocks, in a thread of its own. What went wrong, or nothing."""
    with _quiet:
        import apprise  # noqa: PLC0415  its import and the loading of its services take most of a second

        asset = apprise.AppriseAsset(app_id="Maia", app_desc="Maia", storage_mode="memory")
        # instantiate takes the entry as one URL, where add() would split it at commas
        service: Any = apprise.Apprise.instantiate(url, asset=asset)
        if service is None:
            return "is no URL that Apprise can use; see its list of services for how it is written"
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
    """Without control characters, save tabs and line breaks, and without halves of surrogate pairs."""
    return "".join(c for c in str(text) if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"})
