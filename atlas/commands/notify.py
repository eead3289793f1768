"""`atlas notify`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from atlas import notifier
from atlas.commands.running import run
from atlas.config import notify_urls, settings
from atlas.docs_pages import page
from atlas.errors import ConfigError
from atlas.event_types import FAILED, VOCABULARY, EventType, Level, level_of
from atlas.notifier.dispatcher import is_told
from atlas.notifier.messages import Message

__all__ = ["notify"]

_TITLE = "Maia: a test message"
_BODY = "This service is told of events of Maia. Sent by `atlas notify --test`."


def notify(
    *, test: Annotated[bool, typer.Option("--test", help="Send one message to every entry of NOTIFY_URLS.")] = False
) -> None:
    """Show who is told of which events, and with --test whether each service takes a message.

    An entry of NOTIFY_URLS is shown by its place and the kind of its service; no part of its URL is. Ends with 1 if any
    did not take the message, and with 78 if NOTIFY_URLS is unset.

    \b
      atlas notify
      atlas notify --test
    """
    if run(_notify(test=test)):
        raise typer.Exit(1)


async def _notify(*, test: bool) -> bool:
    """Whether a service did not take the message."""
    secret = settings.notify_urls
    if secret is None:
        raise ConfigError(
            "NOTIFY_URLS required: set it to the Apprise URLs of the services, separated by spaces, such as "
            f"tgram://TOKEN/CHAT. See {page('events.md#telling-people')}."
        )
    entries = notify_urls.parse(secret.get_secret_value())
    if not test:
        for entry in entries:
            typer.echo(f"entry {entry.place} of {len(entries)} is told of {_events(entry)}")
        return False
    deliveries = await notifier.send(Message(_TITLE, (_BODY,)))
    for delivery in deliveries:
        service = f" ({delivery.service})" if delivery.service else ""
        typer.echo(f"entry {delivery.entry.place} of {len(entries)}{service} {delivery.problem or 'took the message'}")
    return len(deliveries) < len(entries) or any(delivery.problem for delivery in deliveries)


def _events(entry: notify_urls.Entry) -> str:
    """The types it gets by NOTIFY_LEVEL, and those that it names in vain."""
    told = [event for event in EventType if entry.takes(event) and any(map(partial(is_told, event), _levels(event)))]
    words = ", ".join(told) or "nothing"
    if in_vain := [event for event in entry.types if event not in told]:
        words += f"; below NOTIFY_LEVEL ({settings.notify_level}), so never: {', '.join(sorted(in_vain))}"
    return words


def _levels(event: EventType) -> set[Level]:
    """The levels that such an event may have."""
    levels = {VOCABULARY[event].level}
    return levels | {level_of(event, {"outcome": outcome}) for outcome in FAILED}
