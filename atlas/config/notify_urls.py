"""NOTIFY_URLS: which service is told of which events. Apprise's own way to write it: ``type,type=URL``."""

from __future__ import annotations

from dataclasses import dataclass

from atlas.event_types import EventType

__all__ = ["Entry", "bare_url", "parse"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One service.

    Attributes:
        place: which entry of NOTIFY_URLS it is, from 1: what messages call it by.
        types: the events that it is told of; empty: all.
        url: its address, a secret.
    """

    place: int
    types: frozenset[EventType]
    url: str

    def takes(self, event: EventType | None) -> bool:
        """Whether it is told of such an event; None stands for a message that is about no event."""
        return not self.types or event is None or event in self.types

    def __repr__(self) -> str:
        return f"Entry({self.place})"


def parse(text: str) -> list[Entry]:
    """The entries of NOTIFY_URLS, in their order.

    Raises ValueError for a word that is no type of event: it names the entry by its place, since any part of it may be
    secret.
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
                    f"entry {place} names a type of event that there is none of; the types are {', '.join(EventType)}"
                ) from None
        if words and not url:
            raise ValueError(f"entry {place} has no URL after its types; write it as type,type=URL")
        entries.append(Entry(place, frozenset(types), url))
    return entries


def bare_url(written: str) -> str:
    """The URL of one entry as it is written, without its types."""
    return _divided(written)[1]


def _divided(written: str) -> tuple[list[str], str]:
    """The words before the URL, if there are any: an equals sign in the URL itself stands after its ``://``."""
    before, equals, after = written.partition("=")
    if not equals or "://" in before:
        return [], written
    return before.split(","), after
