"""Answers of the API's list methods: what they hold is modelled in `atlas.models.youtube`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Self, TypeVar

from atlas.models.parsing import clean_text, parse_count
from atlas.models.youtube import Channel, PlaylistItem, SearchItem, Video, VideoStats
from atlas.redaction import scrub
from maia.youtube.errors import Malformed

if TYPE_CHECKING:
    from atlas.quota.reservations import Reservation

__all__ = ["Answer", "ChannelList", "PlaylistPage", "SearchPage", "StatsList", "VideoList"]

Item = TypeVar("Item")

# of all list methods together, as Google's discovery document names them
_MEMBERS: Final = frozenset(
    [
        "kind",
        "etag",
        "eventId",
        "items",
        "nextPageToken",
        "offlineReason",
        "pageInfo",
        "prevPageToken",
        "regionCode",
        "tokenPagination",
        "visitorId",
    ]
)


@dataclass(slots=True, kw_only=True)
class Answer(Generic[Item]):
    """What one call answered.

    Attributes:
        items: the resources that could be read, in YouTube's order.
        dropped: how many could not be read; nothing is known of them, so that they must not be taken for absent.
        next_page_token: where the list goes on; None on its last page.
        extra: members beside `items` that no answer of the API is known to have, such as a list of ids that could not
            be found. They stay in `raw` and are read as nothing; who asks whether something is absent must not trust
            an answer that has one.
        raw: the answer as it came, for the archive.
        reservations: the reserved calls behind it. Whoever stores the answer settles them in the same transaction.
    """

    kind: ClassVar[str]
    resource: ClassVar[type[Any]]

    items: list[Item]
    dropped: int = 0
    next_page_token: str | None = None
    extra: tuple[str, ...] = ()
    raw: dict[str, Any]
    reservations: tuple[Reservation, ...] = ()

    @classmethod
    def read(cls, answer: object, reservations: tuple[Reservation, ...] = ()) -> Self:
        """Read a decoded answer.

        A broken item costs only itself. Raises Malformed when this is not an answer of the expected kind at all. Of
        `kind` and `items` one may be missing: protobuf's JSON leaves out empty lists, `fields` what it does not name.
        """
        if not isinstance(answer, dict):
            raise Malformed(f"An answer that is no {cls.kind} but {_what(answer)}.")
        if answer.get("kind", cls.kind) != cls.kind or not ("kind" in answer or "items" in answer):
            raise Malformed(f"An answer that is no {cls.kind} but {_what(answer.get('kind'))}.")
        listed = answer.get("items", [])
        if not isinstance(listed, list):
            raise Malformed(f"A {cls.kind} whose items are {_what(listed)}.")
        read: Callable[[Mapping[str, Any]], Item] = cls.resource.from_resource
        items: list[Item] = []
        for resource in listed:
            try:
                items.append(read(resource))
            except ValueError:
                continue
        return cls(
            items=items,
            dropped=len(listed) - len(items),
            next_page_token=clean_text(answer.get("nextPageToken")) or None,
            extra=tuple(_what(name) for name in answer.keys() - _MEMBERS),
            raw=answer,
            reservations=reservations,
        )

    @property
    def total_results(self) -> int:
        """How many results YouTube counts: an estimate; 0 where the answer does not say, 1 where it is no number."""
        info = self.raw.get("pageInfo")
        said = info.get("totalResults") if isinstance(info, dict) else None
        if said is None:
            return 0
        number = parse_count(said)
        return 1 if number is None else number

    @property
    def oddity(self) -> str:
        """Words for the end of a message where there are members that are not known; else empty."""
        return f" (unknown members: {', '.join(self.extra)})" if self.extra else ""

    @classmethod
    def nothing(cls) -> Self:
        """The answer to a question about nothing, for which no call is made."""
        return cls(items=[], raw={"kind": cls.kind, "items": []})


class SearchPage(Answer[SearchItem]):
    """A page of search.list. What is no video is counted as dropped."""

    __slots__ = ()
    kind = "youtube#searchListResponse"
    resource = SearchItem


class VideoList(Answer[Video]):
    """An answer of videos.list. Deleted and private videos are silently absent from it."""

    __slots__ = ()
    kind = "youtube#videoListResponse"
    resource = Video


class StatsList(Answer[VideoStats]):
    """An answer of videos.batchGetStats."""

    __slots__ = ()
    kind = "youtube#batchGetStatsResponse"
    resource = VideoStats


class ChannelList(Answer[Channel]):
    """An answer of channels.list."""

    __slots__ = ()
    kind = "youtube#channelListResponse"
    resource = Channel


class PlaylistPage(Answer[PlaylistItem]):
    """A page of playlistItems.list."""

    __slots__ = ()
    kind = "youtube#playlistItemListResponse"
    resource = PlaylistItem


def _what(value: object) -> str:
    if isinstance(value, str):
        return repr(scrub(value[:1000])[:60])  # scrubbed before it is cut: half a key would no longer look like one
    return "nothing" if value is None else type(value).__name__
