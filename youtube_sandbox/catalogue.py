"""Find videos by words, windows and orders: what seeded and replayed worlds have in common."""

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

CEILING: Final = 500
"""No query answers more results than this, over all its pages."""

_SCANNED: Final = 5_000  # most matches that are ranked, where the order is not by date
_WORD: Final = re.compile(r"\w+")
_STOP: Final = frozenset(
    ("a", "an", "and", "at", "by", "for", "from", "how", "in", "is", "it", "of", "on", "or", "the", "this", "to",
     "what", "with", "you", "your")
)  # fmt: skip


def words(text: str) -> list[str]:
    """Return the words of a text as the index knows them (NFKC, case folded)."""
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
        """Return the videos that match the words of a query, newest first."""
        numbers: Sequence[int] = range(len(self.videos))
        if query.terms:
            numbers = sorted(set().union(*(self._matching(*term) for term in query.terms)))
        return (self.videos[number] for number in reversed(numbers))

    def of_channel(self, channel: str) -> list[Video]:
        """Return a channel's videos, newest first."""
        return [self.videos[number] for number in reversed(self._by_channel.get(channel, []))]

    def _matching(self, wanted: tuple[str, ...], unwanted: tuple[str, ...]) -> set[int]:
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
    category: int | None = None

    @staticmethod
    def parse(text: str) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """Read the `q` of a search; one without any word finds nothing."""
        terms = []
        for alternative in text.split("|"):
            wanted: list[str] = []
            unwanted: list[str] = []
            for piece in alternative.split():
                (unwanted if piece.startswith("-") and len(piece) > 1 else wanted).extend(words(piece))
            rare = [word for word in wanted if word not in _STOP]
            if wanted or unwanted:
                terms.append((tuple(rare or wanted), tuple(unwanted)))
        return tuple(terms) or (((("",), ()),) if text.strip() else ())


class Catalogue(ABC):
    """A world as the API shows it. Times are seconds since 1970 of the schedule clock."""

    def __init__(self) -> None:
        self.removed: dict[str, float] = {}
        """Videos that were deleted on request, and since when."""
        self.listing_lag = 0.0
        """Seconds after its publication before a search finds a video."""

    @abstractmethod
    def shelves(self, after: float | None, before: float) -> Iterator[Shelf]:
        """Yield the shelves that overlap a window, newest first."""

    @abstractmethod
    def find_video(self, identifier: str, at: float) -> Video | None:
        """Return the video of this id, alive or not; None when none was published until now."""

    @abstractmethod
    def channel(self, identifier: str) -> Channel | None:
        """Return the channel of this id."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the description of this world in the sandbox's state."""

    def delete(self, identifier: str, at: float) -> bool:
        """Delete a video from now on; return False when there is none of this id."""
        if self.video(identifier, at) is None:
            return False
        self.removed[identifier] = at
        return True

    def visible(self, video: Video, at: float) -> bool:
        """Return whether the API still shows this video."""
        return video.alive(at) and at < self.removed.get(video.id, float("inf"))

    def video(self, identifier: str, at: float) -> Video | None:
        """Return the video of this id as long as the API shows it."""
        video = self.find_video(identifier, at)
        return video if video is not None and self.visible(video, at) else None

    def uploads(self, channel: str, at: float) -> list[Video]:
        """Return a channel's videos, newest first."""
        return [
            video for shelf in self.shelves(None, at) for video in shelf.of_channel(channel) if self.visible(video, at)
        ]

    def search(self, query: Query, at: float) -> list[Video]:
        """Return the results of a query, at most CEILING: newest first, or by relevance."""
        by_date = query.order == "date"
        indexed = at - self.listing_lag
        latest = indexed if query.before is None else min(query.before, indexed)
        found: list[Video] = []
        for shelf in self.shelves(query.after, latest):
            for video in shelf.newest_first(query):
                if query.after is not None and video.published < query.after:
                    break
                fits = query.category is None or video.category == query.category
                if video.published <= latest and fits and self.visible(video, at):
                    found.append(video)
            if len(found) >= (CEILING if by_date else _SCANNED):
                break
        if not by_date:
            # How YouTube orders by relevance is unknown; here it is a fixed shuffle of its own for each query.
            found = sorted(found[:_SCANNED], key=lambda video: digest(query.text, video.id)[:8])
        return found[:CEILING]
