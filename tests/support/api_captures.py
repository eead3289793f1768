"""What is fuzzed: the captured answers and error bodies of the API and, where they are not there, shapes of our own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from atlas.models.youtube import SearchItem, Video, VideoStats
from maia.youtube import Answer, SearchPage, StatsList, VideoList

from ..support import youtube_bodies as bodies
from .json_damage import Place

__all__ = [
    "KEY",
    "KINDS",
    "Capture",
    "Corpus",
    "Refusal",
    "captured_answers",
    "captured_errors",
    "own_answers",
    "own_errors",
]

T = TypeVar("T")

KINDS: dict[str, type[Answer[Any]]] = {of.kind: of for of in (SearchPage, VideoList, StatsList)}

KEY = "AIzaSyD-planted-key-of-no-project_01234"
"""Looks like a key of Google's; it must not come out of anything."""


class Corpus(Generic[T]):
    """What is fuzzed, by name: a report shows the name alone, since hypothesis warns of a text as long as a page."""

    def __init__(self, found: Mapping[str, T]) -> None:
        assert found
        self._found = found
        self.names = sorted(found)

    def __getitem__(self, name: str) -> T:
        return self._found[name]


@dataclass(frozen=True)
class Capture:
    """An answer of status 200; `of` is what it is read as."""

    of: type[Answer[Any]]
    document: dict[str, Any]


@dataclass(frozen=True)
class Refusal:
    """An answer of any other status."""

    status: int
    document: dict[str, Any]


def captured_answers(data: Path) -> Corpus[Capture]:
    """The captured answers of the methods that Maia asks, each with at least one item."""
    folder = data / "youtube-responses"
    found = {}
    for path in sorted(folder.rglob("*.json")):
        document = json.loads(path.read_bytes())
        kind = document.get("kind") if isinstance(document, dict) else None
        if kind in KINDS and document.get("items"):
            found[path.relative_to(folder).as_posix()] = Capture(KINDS[kind], document)
    return Corpus(found)


def captured_errors(data: Path) -> Corpus[Refusal]:
    """The captured error bodies; a file's name begins with the status."""
    paths = (data / "youtube-errors").glob("*.json")
    return Corpus({path.name: Refusal(int(path.name[:3]), json.loads(path.read_bytes())) for path in paths})


def own_answers() -> Corpus[Capture]:
    """An answer of every method, as the API writes them."""
    pages = {
        SearchPage: [bodies.search_result(f"vid-000000{n}") for n in range(4)],
        VideoList: [bodies.video(f"vid-000000{n}") for n in range(4)],
        StatsList: [bodies.video_stats(f"vid-000000{n}") for n in range(4)],
    }
    listed = {of: bodies.listing(of.kind.removeprefix("youtube#"), *items, token="T") for of, items in pages.items()}
    return Corpus({of.__name__: Capture(of, json.loads(body)) for of, body in listed.items()})


def own_errors() -> Corpus[Refusal]:
    """One body of each meaning, in both envelopes."""
    given = {
        "search day spent": (429, bodies.search_day_spent()),
        "too fast": (429, bodies.too_fast()),
        "units day spent": (403, bodies.units_day_spent()),
        "wrong key": (400, bodies.key_invalid()),
        "blocked key": (403, bodies.key_blocked()),
        "backend error": (503, bodies.backend_error()),
        "bad page token": (400, bodies.legacy(400, "invalidPageToken")),
        "forbidden": (403, bodies.legacy(403, "forbidden", domain="youtube.video")),
        "not found": (404, bodies.legacy(404, "videoNotFound")),
    }
    return Corpus({name: Refusal(status, json.loads(body)) for name, (status, body) in given.items()})


def _in(section: str, **fields: str) -> dict[str, tuple[Place, ...]]:
    return {attribute: ((section, name),) for attribute, name in fields.items()}


_SNIPPET = _in("snippet", title="title", published_at="publishedAt")
_COUNTS = _in("statistics", views="viewCount", likes="likeCount", comments="commentCount")
_SENDER = _in("snippet", channel_id="channelId", channel_title="channelTitle")

SOURCES: dict[type, dict[str, tuple[Place, ...]]] = {
    Video: {
        "id": (("id",),),
        "duration": (("contentDetails", "duration"),),
        **_in("snippet", tags="tags", category_id="categoryId"),
        **_SNIPPET,
        **_SENDER,
        **_COUNTS,
    },
    VideoStats: {
        "id": (("id",),),
        "published_at": (("snippet", "publishTime"),),
        "duration": (("contentDetails", "durationMillis"), ("contentDetails", "duration")),
        **_COUNTS,
    },
    SearchItem: {
        **_SNIPPET,
        **_SENDER,
        "id": (("id", "videoId"),),
        "published_at": (("snippet", "publishedAt"), ("snippet", "publishTime")),
    },
}
"""Where each attribute comes from."""

READ = {of: {place for places_ in sources.values() for place in places_} for of, sources in SOURCES.items()}
"""All places that are read."""
