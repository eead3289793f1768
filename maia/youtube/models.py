"""Answers of the API's list methods; `atlas.models.youtube` has their items."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Self, TypeVar

from atlas.models.parsing import clean_text, parse_count, read_json
from atlas.models.youtube import SearchItem, Video, VideoStats
from atlas.redaction import scrub
from maia.youtube.errors import Malformed

if TYPE_CHECKING:
    from atlas.quota.ledger import Reservation


Item = TypeVar("Item")

# of all list methods together, as Google's discovery document names them
_MEMBERS: Final = frozenset(
    {
        "kind", "etag", "eventId", "items", "nextPageToken", "offlineReason", "pageInfo", "prevPageToken", "regionCode",
        "tokenPagination", "visitorId",
    }
)  # fmt: skip
_TOO_MANY_TO_VANISH: Final = 10  # an answer that lacks this many videos, and has none, is taken for a faulty one


@dataclass(slots=True, kw_only=True)
class Answer(Generic[Item]):
    """An answer of one call: the items that could be read, in YouTube's order, and the whole document."""

    kind: ClassVar[str]
    resource: ClassVar[type[Any]]

    items: list[Item]
    dropped: int = 0
    """How many could not be read; they must not be taken for absent."""
    next_page_token: str | None = None
    extra: tuple[str, ...] = ()
    """Members that no answer of the API is known to have, such as a list of ids that could not be found."""
    raw: dict[str, Any]
    reservations: tuple[Reservation, ...] = ()
    """The reserved calls behind it; they are settled in the transaction that stores the answer."""

    @classmethod
    def read(cls, body: bytes, reservations: tuple[Reservation, ...] = ()) -> Self:
        """Read the body of an answer of status 200. A broken item costs only itself.

        Of `kind` and `items` one may be missing: protobuf's JSON leaves out empty lists, `fields` what it does not
        name. Raises Malformed for an answer that is not of the expected kind at all.
        """
        try:
            answer = read_json(body)
        except ValueError:
            answer = None
        # not raised in the handler: JSON's errors contain the body
        if not isinstance(answer, dict):
            raise Malformed(f"An answer of {len(body)} bytes that is no {cls.kind}.")
        if answer.get("kind", cls.kind) != cls.kind or not ("kind" in answer or "items" in answer):
            raise Malformed(f"An answer that is no {cls.kind} but {_shown(answer.get('kind'))}.")
        listed = answer.get("items", [])
        if not isinstance(listed, list):
            raise Malformed(f"A {cls.kind} whose items are {_shown(listed)}.")
        from_resource: Callable[[Mapping[str, Any]], Item] = cls.resource.from_resource
        items: list[Item] = []
        for resource in listed:
            try:
                items.append(from_resource(resource))
            except ValueError:
                continue
        return cls(
            items=items,
            dropped=len(listed) - len(items),
            next_page_token=clean_text(answer.get("nextPageToken")) or None,
            extra=tuple(_shown(name) for name in answer.keys() - _MEMBERS),
            raw=answer,
            reservations=reservations,
        )

    @property
    def total_results(self) -> int:
        """How many results YouTube counts: an estimate; 0 where the answer does not say, 1 where it is no number."""
        info = self.raw.get("pageInfo")
        total = info.get("totalResults") if isinstance(info, dict) else None
        if total is None:
            return 0
        number = parse_count(total)
        return 1 if number is None else number

    @property
    def oddity(self) -> str:
        """The unknown members, for the end of a message; empty without any."""
        return f" (unknown members: {', '.join(self.extra)})" if self.extra else ""


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

    def proves_absence(self, asked: Collection[str], control_ids: Collection[str]) -> bool:
        """Return whether the videos that this answer leaves out count as absent.

        An odd answer proves nothing: one with an unreadable item or an unknown member (it may speak of the missing
        ids), that counts more results than it has, that names a video twice or one that was not asked for.
        """
        found = {video.id for video in self.items}
        if self.dropped or self.extra or self.total_results > len(found) or len(found) < len(self.items):
            return False
        if not found <= {*asked, *control_ids}:
            return False
        return bool(found) or (len(asked) < _TOO_MANY_TO_VANISH and not control_ids)


class StatsList(Answer[VideoStats]):
    """An answer of videos.batchGetStats."""

    __slots__ = ()
    kind = "youtube#batchGetStatsResponse"
    resource = VideoStats


def _shown(value: object) -> str:
    if isinstance(value, str):
        return repr(scrub(value[:1000])[:60])  # scrubbed before it is cut: half a key would no longer look like one
    return "nothing" if value is None else type(value).__name__
