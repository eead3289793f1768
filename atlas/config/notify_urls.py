"""Parse NOTIFY_URLS: which service is notified of which events, in Apprise's form `type,type=URL`."""

from __future__ import annotations

from dataclasses import dataclass

from atlas.event_types import EventType

__all__ = ["Entry", "bare_url", "parse"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One service.

    Attributes:
        place: its place in NOTIFY_URLS, from 1; messages name it by this.
        types: the events that it takes; empty: all.
        url: a secret.
    """

    place: int
    types: frozenset[EventType]
    url: str

    def takes(self, event: EventType | None) -> bool:
        """Return whether it takes such an event; None stands for a message about no event."""
        return not self.types or event is None or event in self.types

    def __repr__(self) -> str:
        return f"Entry({self.place})"


def parse(text: str) -> list[Entry]:
    """Return the entries of NOTIFY_URLS, in their order.

    Raises ValueError for an unknown type. It names only the entry's place, since any part of the entry may be secret.
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
        entries.append(Entry(place, frozenset(types), url))
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
