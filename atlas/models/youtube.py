"""YouTube's resources as far as Atlas stores them.

Plain slotted classes with hand-written readers: a page of 50 videos has to cost well under a millisecond, and a
validation library is several times slower here. The readers are lenient on purpose. Only the id is required; any
other field that is missing, has the wrong type or holds nonsense is None, so that one odd field never costs a video
that quota was paid for.

Units: counts are ints between 0 and 2**63 - 1 (PostgreSQL's bigint), times are aware and in UTC, durations are
timedeltas. Texts hold neither NUL nor lone surrogates, both of which PostgreSQL refuses; `raw` is the resource
untouched and may hold them.
"""

from __future__ import annotations

import html
import re
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
)

__all__ = ["Channel", "PlaylistItem", "SearchItem", "Video", "VideoStats"]

_NOTHING: Final[Mapping[str, Any]] = {}
# An item of a playlist is named by the playlist's id and its own in base64: longer than any other id.
_ITEM_ID: Final = re.compile(r"[A-Za-z0-9_=-]{1,256}")


@dataclass(slots=True, kw_only=True)
class Video:
    """A video: of videos.list, or the part of it that a search result knows (`partial`).

    `likes` is None where ratings are hidden, `comments` where comments are disabled; a live or upcoming broadcast has
    a duration of zero.
    """

    id: str
    channel_id: str | None = None
    channel_title: str | None = None
    title: str | None = None
    description: str | None = None
    published_at: datetime | None = None
    tags: list[str] = field(default_factory=list)
    category_id: int | None = None
    duration: timedelta | None = None
    live_broadcast_content: str | None = None
    default_language: str | None = None
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
            description=clean_text(snippet.get("description")),
            published_at=parse_time(snippet.get("publishedAt")),
            tags=clean_texts(snippet.get("tags")),
            category_id=parse_category(snippet.get("categoryId")),
            duration=parse_duration(_section(resource, "contentDetails").get("duration")),
            live_broadcast_content=clean_text(snippet.get("liveBroadcastContent")),
            default_language=clean_text(snippet.get("defaultLanguage")),
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
    description: str | None = None
    published_at: datetime | None = None
    live_broadcast_content: str | None = None
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
            description=clean_text(snippet.get("description")),
            published_at=parse_time(snippet.get("publishedAt")) or parse_time(snippet.get("publishTime")),
            live_broadcast_content=clean_text(snippet.get("liveBroadcastContent")),
            raw=_raw(resource),
        )

    def to_video(self) -> Video:
        """The partial video that is stored when enriching fails: no tags, no numbers, `raw` is the search result."""
        return Video(
            id=self.id,
            channel_id=self.channel_id,
            channel_title=self.channel_title,
            title=self.title,
            description=self.description,
            published_at=self.published_at,
            live_broadcast_content=self.live_broadcast_content,
            partial=True,
            raw=self.raw,
        )


@dataclass(slots=True, kw_only=True)
class Channel:
    """A channel of channels.list. `subscribers` is None where the channel hides them."""

    id: str
    title: str | None = None
    description: str | None = None
    custom_url: str | None = None
    country: str | None = None
    published_at: datetime | None = None
    views: int | None = None
    subscribers: int | None = None
    videos: int | None = None
    uploads_playlist_id: str | None = None
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_resource(cls, resource: Mapping[str, Any]) -> Self:
        """Read a resource of kind `youtube#channel`; raises ValueError when there is no usable id."""
        channel_id = _required(_get(resource, "id"), "channel")
        snippet = _section(resource, "snippet")
        statistics = _section(resource, "statistics")
        hidden = statistics.get("hiddenSubscriberCount") is True
        return cls(
            id=channel_id,
            title=clean_text(snippet.get("title")),
            description=clean_text(snippet.get("description")),
            custom_url=clean_text(snippet.get("customUrl")),
            country=clean_text(snippet.get("country")),
            published_at=parse_time(snippet.get("publishedAt")),
            views=parse_count(statistics.get("viewCount")),
            # A hidden count comes as "0", which would read as a fact.
            subscribers=None if hidden else parse_count(statistics.get("subscriberCount")),
            videos=parse_count(statistics.get("videoCount")),
            uploads_playlist_id=usable_id(
                _section(_section(resource, "contentDetails"), "relatedPlaylists").get("uploads")
            ),
            raw=_raw(resource),
        )


@dataclass(slots=True, kw_only=True)
class PlaylistItem:
    """An entry of a playlist. `id` names the entry, `video_id` the video; `added_at` is when it entered the list."""

    id: str
    video_id: str | None = None
    playlist_id: str | None = None
    position: int | None = None
    channel_id: str | None = None
    channel_title: str | None = None
    title: str | None = None
    description: str | None = None
    added_at: datetime | None = None
    video_published_at: datetime | None = None
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_resource(cls, resource: Mapping[str, Any]) -> Self:
        """Read a resource of kind `youtube#playlistItem`; raises ValueError when there is no usable id.

        `channel_id` and `channel_title` are the video's owner where the answer names it, else the playlist's.
        """
        item_id = _get(resource, "id")
        if not isinstance(item_id, str) or _ITEM_ID.fullmatch(item_id) is None:
            raise ValueError("a playlist item without a usable id")
        snippet = _section(resource, "snippet")
        details = _section(resource, "contentDetails")
        return cls(
            id=item_id,
            video_id=usable_id(details.get("videoId")) or usable_id(_section(snippet, "resourceId").get("videoId")),
            playlist_id=usable_id(snippet.get("playlistId")),
            position=parse_count(snippet.get("position")),
            channel_id=usable_id(snippet.get("videoOwnerChannelId")) or usable_id(snippet.get("channelId")),
            channel_title=clean_text(snippet.get("videoOwnerChannelTitle")) or clean_text(snippet.get("channelTitle")),
            title=clean_text(snippet.get("title")),
            description=clean_text(snippet.get("description")),
            added_at=parse_time(snippet.get("publishedAt")),
            video_published_at=parse_time(details.get("videoPublishedAt")),
            raw=_raw(resource),
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
