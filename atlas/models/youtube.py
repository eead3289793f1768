"""YouTube's resources as far as Atlas stores them.

Plain slotted classes with hand-written readers: a validation library is several times slower here. The readers are
lenient on purpose. Only the id is required; any other field that is missing or holds nonsense is None, so that one odd
field never costs a video that quota was paid for.

Units: counts are ints between 0 and 2**63 - 1 (PostgreSQL's bigint), times are aware and in UTC, durations are
timedeltas. Texts hold neither NUL nor lone surrogates, both of which PostgreSQL refuses; `raw` is the resource
untouched and may hold them.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Self

from atlas.models.parsing import (
    clean_text,
    clean_texts,
    parse_category,
    parse_count,
    parse_duration,
    parse_millis,
    parse_time,
    usable_id,
)  # fmt: skip

_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(slots=True, kw_only=True)
class Video:
    """A video of videos.list, or the part of it that a search result has (`partial`).

    `likes` is None where ratings are hidden, `comments` where comments are disabled; a live or upcoming broadcast has
    a duration of zero.
    """

    id: str
    channel_id: str | None = None
    channel_title: str | None = None
    title: str | None = None
    published_at: datetime | None = None
    tags: list[str] = field(default_factory=list)
    category_id: int | None = None
    duration: timedelta | None = None
    views: int | None = None
    likes: int | None = None
    comments: int | None = None
    partial: bool = False
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_resource(cls, resource: Mapping[str, Any]) -> Self:
        """Read a resource of kind `youtube#video`; raises ValueError when there is no usable id."""
        video_id = _required(_get(resource, "id"), "video")
        snippet = _section(resource, "snippet")
        statistics = _section(resource, "statistics")
        return cls(
            id=video_id,
            channel_id=usable_id(snippet.get("channelId")),
            channel_title=clean_text(snippet.get("channelTitle")),
            title=clean_text(snippet.get("title")),
            published_at=parse_time(snippet.get("publishedAt")),
            tags=clean_texts(snippet.get("tags")),
            category_id=parse_category(snippet.get("categoryId")),
            duration=parse_duration(_section(resource, "contentDetails").get("duration")),
            views=parse_count(statistics.get("viewCount")),
            likes=parse_count(statistics.get("likeCount")),
            comments=parse_count(statistics.get("commentCount")),
            raw=_raw(resource),
        )


@dataclass(slots=True, kw_only=True)
class VideoStats:
    """An item of videos.batchGetStats: the numbers of a video at the moment of the call."""

    id: str
    published_at: datetime | None = None
    duration: timedelta | None = None
    views: int | None = None
    likes: int | None = None
    comments: int | None = None

    @classmethod
    def from_resource(cls, resource: Mapping[str, Any]) -> Self:
        """Read a resource of kind `youtube#videoStats`; raises ValueError when there is no usable id.

        The duration is read from `durationMillis` where it is given, else from `duration` (ISO 8601, or a protobuf
        duration like "213.5s", which is what Google's discovery document announces).
        """
        video_id = _required(_get(resource, "id"), "video")
        statistics = _section(resource, "statistics")
        details = _section(resource, "contentDetails")
        millis = parse_millis(details.get("durationMillis"))
        return cls(
            id=video_id,
            published_at=parse_time(_section(resource, "snippet").get("publishTime")),
            duration=parse_duration(details.get("duration")) if millis is None else millis,
            views=parse_count(statistics.get("viewCount")),
            likes=parse_count(statistics.get("likeCount")),
            comments=parse_count(statistics.get("commentCount")),
        )


@dataclass(slots=True, kw_only=True)
class SearchItem:
    """A video that search.list found. `id` is the video's; tags, category, numbers and duration are not in a search."""

    id: str
    channel_id: str | None = None
    channel_title: str | None = None
    title: str | None = None
    published_at: datetime | None = None
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_resource(cls, resource: Mapping[str, Any]) -> Self:
        """Read a resource of kind `youtube#searchResult`; raises ValueError when it names no video."""
        video_id = _required(_section(resource, "id").get("videoId"), "video of a search result")
        snippet = _section(resource, "snippet")
        title = clean_text(snippet.get("title"))
        return cls(
            id=video_id,
            channel_id=usable_id(snippet.get("channelId")),
            channel_title=clean_text(snippet.get("channelTitle")),
            # search.list escapes titles for HTML ("&amp;"), and only titles; videos.list does not.
            title=clean_text(html.unescape(title)) if title is not None and "&" in title else title,
            published_at=parse_time(snippet.get("publishedAt")) or parse_time(snippet.get("publishTime")),
            raw=_raw(resource),
        )

    def to_video(self) -> Video:
        """The partial video that is stored when enriching fails: no tags, no numbers, `raw` is the search result."""
        return Video(
            id=self.id,
            channel_id=self.channel_id,
            channel_title=self.channel_title,
            title=self.title,
            published_at=self.published_at,
            partial=True,
            raw=self.raw,
        )


def _required(value: object, what: str) -> str:
    if (found := usable_id(value)) is None:
        raise ValueError(f"a {what} without a usable id")
    return found


def _get(resource: object, name: str) -> object:
    # What is called a resource here comes from outside: it may be anything that JSON can say. It nearly always is a
    # dict, and asking for that first saves half of the time.
    return resource.get(name) if isinstance(resource, dict) or isinstance(resource, Mapping) else None  # noqa: SIM101


def _section(resource: object, name: str) -> Mapping[str, Any]:
    found = _get(resource, name)
    return found if isinstance(found, dict) or isinstance(found, Mapping) else _NOTHING  # noqa: SIM101


def _raw(resource: Mapping[str, Any]) -> dict[str, Any]:
    return resource if isinstance(resource, dict) else dict(resource)
