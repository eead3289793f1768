"""The JSON of channels, videos and lists, part by part.

What never changes of a video is built once and kept with it; counts, etags and a running broadcast are made anew.
"""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any, Final

from youtube_sandbox.ids import digest, mix, uploads_id
from youtube_sandbox.model import iso_duration, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from youtube_sandbox.curves import Counts
    from youtube_sandbox.model import Channel, Video

# The parts that can be asked for; some are empty here.
VIDEO_PARTS: Final = (
    "contentDetails", "id", "liveStreamingDetails", "localizations", "paidProductPlacementDetails", "player",
    "recordingDetails", "snippet", "statistics", "status", "topicDetails",
)  # fmt: skip
VIDEO_STATS_PARTS: Final = ("contentDetails", "id", "snippet", "statistics")
CHANNEL_PARTS: Final = (
    "brandingSettings", "contentDetails", "contentOwnerDetails", "id", "localizations", "snippet", "statistics",
    "status", "topicDetails",
)  # fmt: skip
PLAYLIST_ITEM_PARTS: Final = ("contentDetails", "id", "snippet", "status")

_ETAG_END: Final = b"maia"  # so that eleven characters of an id and these make the usual 27
_EXCERPT: Final = 160  # characters of a description in a search result
_SIZES: Final = (
    ("default", "default", 120, 90),
    ("medium", "mqdefault", 320, 180),
    ("high", "hqdefault", 480, 360),
    ("standard", "sddefault", 640, 480),
    ("maxres", "maxresdefault", 1280, 720),
)


def etag(*parts: object) -> str:
    """Return an etag: 27 characters, the same for the same parts."""
    return base64.urlsafe_b64encode(digest("etag", *parts)[:20]).rstrip(b"=").decode("ascii")


def etag_of(kind: str, items: list[dict[str, Any]]) -> str:
    """Return the etag of a list."""
    return etag(kind, *(item["etag"] for item in items))


def _quick_etag(identifier: str, *numbers: int | None) -> str:
    """Return an etag of an item: as `etag`, at a tenth of its cost (an answer has fifty of them)."""
    value = 0
    for number in numbers:
        value = value * 1_000_003 + (-1 if number is None else number)
    return identifier + base64.urlsafe_b64encode(mix(value).to_bytes(8, "big") + _ETAG_END).decode("ascii")


def _thumbnails(identifier: str, amount: int) -> dict[str, Any]:
    return {
        name: {"url": f"https://i.ytimg.com/vi/{identifier}/{file}.jpg", "width": width, "height": height}
        for name, file, width, height in _SIZES[:amount]
    }


def _escaped(text: str) -> str:
    """Write a title as a search result does, with HTML's entities; nothing else is escaped."""
    return html.escape(text).replace("&#x27;", "&#39;")


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else line[:_EXCERPT].rsplit(" ", 1)[0] + " ..."


def _piece(video: Video, name: str, make: Callable[[Video], dict[str, Any]]) -> dict[str, Any]:
    """Return a part that never changes, made at the first call."""
    found = video.pieces.get(name)
    if found is None:
        found = video.pieces[name] = make(video)
    return found


def _snippet(video: Video, thumbnails: int = 5) -> dict[str, Any]:
    """Return what all snippets of a video share."""
    return {
        "publishedAt": timestamp(video.published),
        "channelId": video.channel.id,
        "title": video.title,
        "description": video.description,
        "thumbnails": _thumbnails(video.id, thumbnails),
        "channelTitle": video.channel.title,
    }


def search_item(video: Video, at: float, call: int, parts: set[str]) -> dict[str, Any]:
    """Return an item of search.list, whose etag changes at each call; it has no tags, category, counts or duration."""
    identifier = {"kind": "youtube#video", "videoId": video.id}
    item = {"kind": "youtube#searchResult", "etag": _quick_etag(video.id, call), "id": identifier}
    if "snippet" in parts:
        snippet = _piece(video, "search", _search_snippet)
        item["snippet"] = {**snippet, "liveBroadcastContent": "live"} if video.live(at) else snippet
    return item


def _search_snippet(video: Video) -> dict[str, Any]:
    return {
        **_snippet(video, thumbnails=3),
        "title": _escaped(video.title),
        "description": _excerpt(video.description),
        "liveBroadcastContent": "none",
        "publishTime": timestamp(video.published),
    }


def video_item(video: Video, at: float, parts: set[str]) -> dict[str, Any]:
    """Return an item of videos.list."""
    counts = video.counts(at)
    live = video.live(at)
    item: dict[str, Any] = {"kind": "youtube#video", "etag": _quick_etag(video.id, *counts, live), "id": video.id}
    if "snippet" in parts:
        snippet = _piece(video, "snippet", _video_snippet)
        item["snippet"] = {**snippet, "liveBroadcastContent": "live"} if live else snippet
    if "contentDetails" in parts:
        details = _piece(video, "contentDetails", _video_details)
        item["contentDetails"] = {**details, "duration": "P0D"} if live else details
    if "status" in parts:
        item["status"] = _STATUS
    if "statistics" in parts:
        item["statistics"] = {**_statistics(counts), "favoriteCount": "0"}
    return item


_STATUS: Final = {
    "uploadStatus": "processed", "privacyStatus": "public", "license": "youtube", "embeddable": True,
    "publicStatsViewable": True, "madeForKids": False,
}  # fmt: skip


def _statistics(counts: Counts) -> dict[str, str]:
    """Return the counts as strings, without hidden ones."""
    named = {"viewCount": counts.views, "likeCount": counts.likes, "commentCount": counts.comments}
    return {name: str(count) for name, count in named.items() if count is not None}


def _video_snippet(video: Video) -> dict[str, Any]:
    return {
        **_snippet(video),
        "categoryId": str(video.category),
        "liveBroadcastContent": "none",
        "localized": {"title": video.title, "description": video.description},
        "defaultAudioLanguage": "en",
        **({"tags": list(video.tags)} if video.tags else {}),  # a video without tags has no such property
    }


def _video_details(video: Video) -> dict[str, Any]:
    return {
        "duration": iso_duration(video.duration), "dimension": "2d", "definition": "hd", "caption": "false",
        "licensedContent": False, "contentRating": {}, "projection": "rectangular",
    }  # fmt: skip


def video_stats_item(video: Video, at: float, parts: set[str]) -> dict[str, Any]:
    """Return an item of videos.batchGetStats.

    Its duration is one of protocol buffers ("253s"), as the discovery document says; durationMillis stands in Google's
    reference only.
    """
    counts = video.counts(at)
    item: dict[str, Any] = {"kind": "youtube#videoStats", "etag": _quick_etag(video.id, *counts), "id": video.id}
    if "snippet" in parts:
        item["snippet"] = {"publishTime": timestamp(video.published)}
    if "statistics" in parts:
        item["statistics"] = _statistics(counts)
    if "contentDetails" in parts:
        seconds = 0 if video.live(at) else video.duration
        item["contentDetails"] = {"duration": f"{seconds}s", "durationMillis": str(seconds * 1000)}
    return item


def channel_item(channel: Channel, parts: set[str], uploads: int, views: int) -> dict[str, Any]:
    """Return an item of channels.list; `uploads` and `views` are its numbers of videos and of views."""
    picture = f"https://yt3.ggpht.com/sandbox/{channel.id}"
    digits = max(len(str(channel.subscribers)) - 3, 0)  # the API rounds to three digits
    all_parts: dict[str, Any] = {
        "snippet": {
            "title": channel.title,
            "description": channel.description,
            "customUrl": channel.handle,
            "publishedAt": timestamp(channel.published),
            "thumbnails": {
                name: {"url": f"{picture}=s{size}", "width": size, "height": size}
                for name, size in (("default", 88), ("medium", 240), ("high", 800))
            },
            "localized": {"title": channel.title, "description": channel.description},
            "country": channel.country,
        },
        "contentDetails": {"relatedPlaylists": {"likes": "", "uploads": uploads_id(channel.id)}},
        "statistics": {
            "viewCount": str(views),
            "subscriberCount": str(channel.subscribers // 10**digits * 10**digits),
            "hiddenSubscriberCount": False,
            "videoCount": str(uploads),
        },
    }
    head = {"kind": "youtube#channel", "etag": etag(channel.id, uploads, views), "id": channel.id}
    return head | {name: part for name, part in all_parts.items() if name in parts}


def playlist_item(video: Video, position: int, parts: set[str]) -> dict[str, Any]:
    """Return an item of playlistItems.list of a channel's uploads."""
    playlist = uploads_id(video.channel.id)
    all_parts: dict[str, Any] = {
        "snippet": {
            **_snippet(video),
            "playlistId": playlist,
            "position": position,
            "resourceId": {"kind": "youtube#video", "videoId": video.id},
            "videoOwnerChannelTitle": video.channel.title,
            "videoOwnerChannelId": video.channel.id,
        },
        "contentDetails": {"videoId": video.id, "videoPublishedAt": timestamp(video.published)},
    }
    head = {
        "kind": "youtube#playlistItem",
        "etag": _quick_etag(video.id, position),
        "id": base64.urlsafe_b64encode(f"{playlist}.{video.id}".encode()).rstrip(b"=").decode("ascii"),
    }
    return head | {name: part for name, part in all_parts.items() if name in parts}
