"""`atlas notify`."""

from __future__ import annotations

from typing import Annotated

import typer

from atlas import notifier
from atlas.commands.running import run
from atlas.config import notify_urls, settings
from atlas.docs_pages import page
from atlas.errors import ConfigError
from atlas.event_types import EVENT_TYPES, FAILED_OUTCOMES, EventType, Level, level_of
from atlas.notifier.dispatcher import is_notified
from atlas.notifier.messages import Message

__all__ = ["notify"]

_TITLE = "Maia: a test message"
_BODY = "This service gets notifications from Maia. Sent by `atlas notify --test`."


def notify(
    *, test: Annotated[bool, typer.Option("--test", help="Send one message to every entry of NOTIFY_URLS.")] = False
) -> None:
    """Show which service is notified of which events, and with --test whether each accepts a message.

    An entry of NOTIFY_URLS is shown by its place and the kind of its service, without its URL. The command ends with 1
    if any service did not accept the message, and with 78 if NOTIFY_URLS is unset.

    \b
      atlas notify
      atlas notify --test
    """
    if run(_notify(test=test)):
        raise typer.Exit(1)


async def _notify(*, test: bool) -> bool:
    """Return whether a service did not take the message."""
    secret = settings.notify_urls
    if secret is None:
        raise ConfigError(
            "NOTIFY_URLS required: set it to the Apprise URLs of the services, separated by spaces, such as "
            f"tgram://TOKEN/CHAT. See {page('events.md#notifications')}."
        )
    entries = notify_urls.parse(secret.get_secret_value())
    if not test:
        for entry in entries:
            typer.echo(f"entry {entry.place} of {len(entries)} is notified of {_events(entry)}")
        return False
    deliveries = await notifier.send(Message(_TITLE, (_BODY,)))
    for delivery in deliveries:
        service = f" ({delivery.service})" if delivery.service else ""
        typer.echo(f"entry {delivery.entry.place} of {len(entries)}{service} {delivery.problem or 'took the message'}")
    return len(deliveries) < len(entries) or any(delivery.problem for delivery in deliveries)


def _events(entry: notify_urls.NotifyService) -> str:
    """Return the types that it gets by NOTIFY_LEVEL, and those that it names in vain."""
    sent = [
        event for event in EventType if entry.takes(event) and any(is_notified(event, each) for each in _levels(event))
    ]
    words = ", ".join(sent) or "nothing"
    if in_vain := [event for event in entry.types if event not in sent]:
        words += f"; below NOTIFY_LEVEL ({settings.notify_level}), so never: {', '.join(sorted(in_vain))}"
    return words


def _levels(event: EventType) -> set[Level]:
    """Return the levels that such an event may have."""
    levels = {EVENT_TYPES[event].level}
    return levels | {level_of(event, {"outcome": outcome}) for outcome in FAILED_OUTCOMES}
