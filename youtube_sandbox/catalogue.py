"""Finding videos: words, windows, orders. What seeded and replayed worlds have in common."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from youtube_sandbox.ids import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from youtube_sandbox.model import Channel, Video

__all__ = ["CEILING", "Catalogue", "Query", "Shelf", "words"]

CEILING: Final = 500
"""No query answers more results than this, over all its pages."""

_SCANNED: Final = 5_000  # most matches that are ranked, where the order is not by date
_WORD: Final = re.compile(r"\w+")
_STOP: Final = frozenset(
    [
        "a",
        "an",
        "and",
        "at",
        "by",
        "for",
        "from",
        "how",
        "in",
        "is",
        "it",
        "of",
        "on",
        "or",
        "the",
        "this",
        "to",
        "what",
        "with",
        "you",
        "your",
    ]
)


def words(text: str) -> list[str]:
    """The words of a text as the index knows them (NFKC, case folded)."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


class Shelf:
    """Some videos in the order of their publication, found by word and by channel."""

    __slots__ = ("_by_channel", "_by_word", "videos")

    def __init__(self, videos: Sequence[Video]) -> None:
        self.videos = videos
        self._by_word: dict[str, set[int]] = defaultdict(set)
        self._by_channel: dict[str, list[int]] = defaultdict(list)
        for number, video in enumerate(videos):
            self._by_channel[video.channel.id].append(number)
            for word in words(" ".join((video.title, video.channel.title, *video.tags))):
                self._by_word[word].add(number)

    def newest_first(self, query: Query) -> Iterable[Video]:
        """The videos that match the words and the channel of a query, newest first."""
        numbers: Iterable[int]
        if query.channel is not None:
            listed = self._by_channel.get(query.channel, [])
            numbers = [n for n in listed if not query.terms or any(self._matches(n, term) for term in query.terms)]
        elif query.terms:
            found: set[int] = set()
            for wanted, unwanted in query.terms:
                found |= self._all_of(wanted, unwanted)
            numbers = sorted(found)
        else:
            numbers = range(len(self.videos))
        return (self.videos[number] for number in reversed(list(numbers)))

    def of_channel(self, channel: str) -> list[Video]:
        """A channel's videos, newest first."""
        return [self.videos[number] for number in reversed(self._by_channel.get(channel, []))]

    def _matches(self, number: int, term: tuple[tuple[str, ...], tuple[str, ...]]) -> bool:
        return number in self._all_of(*term)

    def _all_of(self, wanted: tuple[str, ...], unwanted: tuple[str, ...]) -> set[int]:
        sets = sorted((self._by_word.get(word, set()) for word in wanted), key=len)
        found = set.intersection(*sets) if sets else set(range(len(self.videos)))
        for word in unwanted:
            found = found - self._by_word.get(word, set())
        return found


@dataclass(frozen=True)
class Query:
    """What is searched. Times are seconds since 1970; both ends of the window belong to it.

    `terms` are alternatives, each the words that must and the words that must not be there: `q` may hold `|` and `-`.
    """

    text: str
    terms: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    after: float | None = None
    before: float | None = None
    order: str = "relevance"
    channel: str | None = None
    category: int | None = None
    duration: str = "any"

    @staticmethod
    def parse(text: str) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """Reads the `q` of a search; one without any word finds nothing."""
        terms = []
        for alternative in text.split("|"):
            wanted: list[str] = []
            unwanted: list[str] = []
            for piece in alternative.split():
                (unwanted if piece.startswith("-") and len(piece) > 1 else wanted).extend(words(piece))
            telling = [word for word in wanted if word not in _STOP]
            if wanted or unwanted:
                terms.append((tuple(telling or wanted), tuple(unwanted)))
        if not terms and text.strip():
            return ((("",), ()),)
        return tuple(terms)

    def admits(self, video: Video) -> bool:
        """Whether a video passes the filters that are not in the index."""
        if self.category is not None and video.category != self.category:
            return False
        minutes = video.duration / 60
        return (
            self.duration == "any"
            or (self.duration == "short" and minutes < 4)
            or (self.duration == "medium" and 4 <= minutes <= 20)
            or (self.duration == "long" and minutes > 20)
        )


class Catalogue(ABC):
    """A world as the API shows it. Times are seconds since 1970 of the schedule clock."""

    def __init__(self) -> None:
        self.removed: dict[str, float] = {}
        """Videos that were deleted on request, and since when."""
        self.listing_lag = 0.0
        """Seconds after its publication before a search finds a video."""

    @abstractmethod
    def shelves(self, after: float | None, before: float) -> Iterator[Shelf]:
        """The shelves that overlap a window, newest first."""

    @abstractmethod
    def find_video(self, identifier: str, at: float) -> Video | None:
        """The video of this id, alive or not; None when there never was one until now."""

    @abstractmethod
    def channel(self, identifier: str) -> Channel | None:
        """The channel of this id."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What the sandbox's state says of this world."""

    def delete(self, identifier: str, at: float) -> bool:
        """Takes a video away from now on; False when there is none of this id."""
        if self.video(identifier, at) is None:
            return False
        self.removed[identifier] = at
        return True

    def visible(self, video: Video, at: float) -> bool:
        """Whether the API still shows this video."""
        return video.alive(at) and at < self.removed.get(video.id, float("inf"))

    def video(self, identifier: str, at: float) -> Video | None:
        """The video of this id as long as the API shows it."""
        video = self.find_video(identifier, at)
        return video if video is not None and self.visible(video, at) else None

    def uploads(self, channel: str, at: float) -> list[Video]:
        """A channel's videos, newest first."""
        return [
            video for shelf in self.shelves(None, at) for video in shelf.of_channel(channel) if self.visible(video, at)
        ]

    def search(self, query: Query, at: float) -> list[Video]:
        """The results of a query in its order, at most CEILING."""
        indexed = at - self.listing_lag
        latest = indexed if query.before is None else min(query.before, indexed)
        limit = CEILING if query.order == "date" else _SCANNED
        found: list[Video] = []
        for shelf in self.shelves(query.after, latest):
            for video in shelf.newest_first(query):
                if query.after is not None and video.published < query.after:
                    break
                if video.published > latest or not query.admits(video) or not self.visible(video, at):
                    continue
                found.append(video)
                if len(found) == limit:
                    return self._ranked(found, query, at)
        return self._ranked(found, query, at)

    @staticmethod
    def _ranked(found: list[Video], query: Query, at: float) -> list[Video]:
        match query.order:
            case "viewCount":
                found.sort(key=lambda video: -video.counts(at).views)
            case "rating":
                found.sort(key=lambda video: -(video.counts(at).likes or 0))
            case "title":
                found.sort(key=lambda video: video.title.casefold())
            case "relevance" | "searchSortUnspecified":
                # Nobody outside knows what relevance is; here it is a fixed shuffle of its own for each query.
                found.sort(key=lambda video: digest(query.text, video.id)[:8])
        return found[:CEILING]
