"""The JSON of channels, videos and lists, part by part.

What never changes of a video is built once and kept with it; only counts, etags and a running broadcast are made anew.
"""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any, Final

from youtube_sandbox.ids import digest, mix, uploads_id
from youtube_sandbox.model import iso_duration, timestamp

if TYPE_CHECKING:
    from youtube_sandbox.model import Channel, Video

__all__ = [
    "CHANNEL_PARTS",
    "PLAYLIST_ITEM_PARTS",
    "VIDEO_PARTS",
    "VIDEO_STATS_PARTS",
    "channel_item",
    "etag",
    "playlist_item",
    "search_item",
    "video_item",
    "video_stats_item",
]

VIDEO_PARTS: Final = [
    "contentDetails",
    "id",
    "liveStreamingDetails",
    "localizations",
    "paidProductPlacementDetails",
    "player",
    "recordingDetails",
    "snippet",
    "statistics",
    "status",
    "topicDetails",
]
VIDEO_STATS_PARTS: Final = ["contentDetails", "id", "snippet", "statistics"]
CHANNEL_PARTS: Final = [
    "brandingSettings",
    "contentDetails",
    "contentOwnerDetails",
    "id",
    "localizations",
    "snippet",
    "statistics",
    "status",
    "topicDetails",
]
PLAYLIST_ITEM_PARTS: Final = ["contentDetails", "id", "snippet", "status"]

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
    """An etag: 27 characters, the same for the same parts."""
    return base64.urlsafe_b64encode(digest("etag", *parts)[:20]).rstrip(b"=").decode("ascii")


def _quick_etag(identifier: str, *numbers: int | None) -> str:
    """An etag of an item: as `etag`, at a tenth of its cost (an answer has fifty of them)."""
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
    """As a search result writes titles, and only titles: with HTML's entities."""
    return html.escape(text).replace("&#x27;", "&#39;")


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    if len(line) <= _EXCERPT:
        return line
    return line[:_EXCERPT].rsplit(" ", 1)[0] + " ..."


def search_item(video: Video, at: float, call: int) -> dict[str, Any]:
    """An item of search.list. Its etag changes at each call; there are no tags, no category, no counts, no duration."""
    snippet = video.pieces.get("search")
    if snippet is None:
        published = timestamp(video.published)
        snippet = video.pieces["search"] = {
            "publishedAt": published,
            "channelId": video.channel.id,
            "title": _escaped(video.title),
            "description": _excerpt(video.description),
            "thumbnails": _thumbnails(video.id, 3),
            "channelTitle": video.channel.title,
            "liveBroadcastContent": "none",
            "publishTime": published,
        }
    if video.live(at):
        snippet = {**snippet, "liveBroadcastContent": "live"}
    return {
        "kind": "youtube#searchResult",
        "etag": _quick_etag(video.id, call),
        "id": {"kind": "youtube#video", "videoId": video.id},
        "snippet": snippet,
    }


def video_item(video: Video, at: float, parts: set[str]) -> dict[str, Any]:
    """An item of videos.list."""
    counts = video.counts(at)
    live = video.live(at)
    item: dict[str, Any] = {
        "kind": "youtube#video",
        "etag": _quick_etag(video.id, *counts, live),
        "id": video.id,
    }
    if "snippet" in parts:
        snippet = video.pieces.get("snippet") or _video_snippet(video)
        item["snippet"] = {**snippet, "liveBroadcastContent": "live"} if live else snippet
    if "contentDetails" in parts:
        details = video.pieces.get("contentDetails") or _video_details(video)
        item["contentDetails"] = {**details, "duration": "P0D"} if live else details
    if "status" in parts:
        item["status"] = _STATUS
    if "statistics" in parts:
        statistics = {"viewCount": str(counts.views), "favoriteCount": "0"}
        if counts.likes is not None:
            statistics["likeCount"] = str(counts.likes)
        if counts.comments is not None:
            statistics["commentCount"] = str(counts.comments)
        item["statistics"] = statistics
    if "player" in parts:
        source = f"//www.youtube.com/embed/{video.id}"
        item["player"] = {"embedHtml": f'<iframe width="480" height="270" src="{source}" allowfullscreen></iframe>'}
    if "paidProductPlacementDetails" in parts:
        item["paidProductPlacementDetails"] = {"hasPaidProductPlacement": False}
    if "liveStreamingDetails" in parts and video.live_until:
        item["liveStreamingDetails"] = {"actualStartTime": timestamp(video.published)}
        if not live:
            item["liveStreamingDetails"]["actualEndTime"] = timestamp(video.live_until)
    return item


_STATUS: Final = {
    "uploadStatus": "processed",
    "privacyStatus": "public",
    "license": "youtube",
    "embeddable": True,
    "publicStatsViewable": True,
    "madeForKids": False,
}


def _video_snippet(video: Video) -> dict[str, Any]:
    snippet: dict[str, Any] = {
        "publishedAt": timestamp(video.published),
        "channelId": video.channel.id,
        "title": video.title,
        "description": video.description,
        "thumbnails": _thumbnails(video.id, 5),
        "channelTitle": video.channel.title,
        "categoryId": str(video.category),
        "liveBroadcastContent": "none",
        "localized": {"title": video.title, "description": video.description},
        "defaultAudioLanguage": "en",
    }
    if video.tags:  # a video without tags has no such property
        snippet["tags"] = list(video.tags)
    video.pieces["snippet"] = snippet
    return snippet


def _video_details(video: Video) -> dict[str, Any]:
    details = video.pieces["contentDetails"] = {
        "duration": iso_duration(video.duration),
        "dimension": "2d",
        "definition": "hd",
        "caption": "false",
        "licensedContent": False,
        "contentRating": {},
        "projection": "rectangular",
    }
    return details


def video_stats_item(video: Video, at: float, parts: set[str]) -> dict[str, Any]:
    """An item of videos.batchGetStats.

    Its duration is one of protocol buffers ("253s"), as the discovery document says; durationMillis stands in Google's
    reference only.
    """
    counts = video.counts(at)
    item: dict[str, Any] = {"kind": "youtube#videoStats", "etag": _quick_etag(video.id, *counts), "id": video.id}
    if "snippet" in parts:
        item["snippet"] = {"publishTime": timestamp(video.published)}
    if "statistics" in parts:
        statistics = {"viewCount": str(counts.views)}
        if counts.likes is not None:
            statistics["likeCount"] = str(counts.likes)
        if counts.comments is not None:
            statistics["commentCount"] = str(counts.comments)
        item["statistics"] = statistics
    if "contentDetails" in parts:
        seconds = 0 if video.live(at) else video.duration
        item["contentDetails"] = {"duration": f"{seconds}s", "durationMillis": str(seconds * 1000)}
    return item


def channel_item(channel: Channel, parts: set[str], uploads: int, views: int) -> dict[str, Any]:
    """An item of channels.list; `uploads` and `views` are its numbers of videos and of views."""
    item: dict[str, Any] = {
        "kind": "youtube#channel",
        "etag": etag(channel.id, uploads, views),
        "id": channel.id,
    }
    if "snippet" in parts:
        picture = f"https://yt3.ggpht.com/sandbox/{channel.id}"
        item["snippet"] = {
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
        }
    if "contentDetails" in parts:
        item["contentDetails"] = {"relatedPlaylists": {"likes": "", "uploads": uploads_id(channel.id)}}
    if "statistics" in parts:
        digits = max(len(str(channel.subscribers)) - 3, 0)  # the API rounds to three digits
        item["statistics"] = {
            "viewCount": str(views),
            "subscriberCount": str(channel.subscribers // 10**digits * 10**digits),
            "hiddenSubscriberCount": False,
            "videoCount": str(uploads),
        }
    if "status" in parts:
        item["status"] = {"privacyStatus": "public", "isLinked": True, "longUploadsStatus": "longUploadsUnspecified"}
    return item


def playlist_item(video: Video, position: int, parts: set[str]) -> dict[str, Any]:
    """An item of playlistItems.list of a channel's uploads."""
    playlist = uploads_id(video.channel.id)
    published = timestamp(video.published)
    item: dict[str, Any] = {
        "kind": "youtube#playlistItem",
        "etag": _quick_etag(video.id, position),
        "id": base64.urlsafe_b64encode(f"{playlist}.{video.id}".encode()).rstrip(b"=").decode("ascii"),
    }
    if "snippet" in parts:
        item["snippet"] = {
            "publishedAt": published,
            "channelId": video.channel.id,
            "title": video.title,
            "description": video.description,
            "thumbnails": _thumbnails(video.id, 5),
            "channelTitle": video.channel.title,
            "playlistId": playlist,
            "position": position,
            "resourceId": {"kind": "youtube#video", "videoId": video.id},
            "videoOwnerChannelTitle": video.channel.title,
            "videoOwnerChannelId": video.channel.id,
        }
    if "contentDetails" in parts:
        item["contentDetails"] = {"videoId": video.id, "videoPublishedAt": published}
    if "status" in parts:
        item["status"] = {"privacyStatus": "public"}
    return item
