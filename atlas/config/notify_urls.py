"""Parse NOTIFY_URLS: services, each with the event types it gets, as `type,type=URL`."""

from __future__ import annotations

from dataclasses import dataclass

from atlas.event_types import EventType

__all__ = ["NotifyService", "bare_url", "parse"]


@dataclass(frozen=True, slots=True)
class NotifyService:
    """A service that is notified, as one entry of NOTIFY_URLS names it."""

    place: int  # its position in NOTIFY_URLS, from 1, by which messages name it
    types: frozenset[EventType]  # that it gets; empty: all
    url: str  # a secret

    def takes(self, event: EventType | None) -> bool:
        """Return whether the service gets such events; None: a message about no event."""
        return not self.types or event is None or event in self.types

    def __repr__(self) -> str:
        return f"NotifyService({self.place})"


def parse(text: str) -> list[NotifyService]:
    """Return the entries of NOTIFY_URLS, in their order.

    Raises ValueError for an unknown type. The message names only the position, since any part may be secret.
    """
    entries = []
    for place, written in enumerate(text.split(), 1):
        words, url = _divided(written)
        types = set()
        for word in words:
            try:
                types.add(EventType(word.lower()))
            except ValueError:
                raise ValueError(
                    f"entry {place} names an unknown type of event; the types are {', '.join(EventType)}"
                ) from None
        if words and not url:
            raise ValueError(f"entry {place} has no URL after its types; write it as type,type=URL")
        entries.append(NotifyService(place, frozenset(types), url))
    return entries


def bare_url(written: str) -> str:
    """Return the URL of one entry, without its types."""
    return _divided(written)[1]


def _divided(written: str) -> tuple[list[str], str]:
    """Return the types and the URL. An equals sign in the URL itself is after its `://`."""
    before, equals, after = written.partition("=")
    if not equals or "://" in before:
        return [], written
    return before.split(","), after
