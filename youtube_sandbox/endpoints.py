"""What each endpoint answers, given its parameters, the world and the time: no HTTP, no quota, no faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from atlas.quota.buckets import Bucket
from youtube_sandbox import resources
from youtube_sandbox.catalogue import CEILING, Query
from youtube_sandbox.errors import ApiError, invalid, missing, refusal
from youtube_sandbox.ids import mix
from youtube_sandbox.parameters import ACCEPTED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from youtube_sandbox.catalogue import Catalogue
    from youtube_sandbox.model import Video
    from youtube_sandbox.parameters import Parameters

_ORDERS: Final = ("searchSortUnspecified", "date", "rating", "viewCount", "relevance", "title", "videoCount")
_SAFETY: Final = ("safeSearchSettingUnspecified", "none", "moderate", "strict")
_TYPES: Final = ("video", "channel", "playlist")
_VIDEO_FILTERS: Final = [name for name in ACCEPTED["search"] if name.startswith("video") or name == "eventType"]
_MOST_ESTIMATED: Final = 1_000_000


@dataclass(frozen=True)
class EndpointResult:
    """A document, and the ids of the items in it."""

    document: dict[str, Any]
    ids: list[str]


def search(parameters: Parameters, world: Catalogue, at: float, call: int) -> EndpointResult:
    """Answer search.list. Only videos are found, and filters that Maia does not use are ignored."""
    parts = parameters.parts(("id", "snippet"))
    amount = parameters.max_results()
    types = parameters.listed("type") or list(_TYPES)
    for kind in types:
        if kind not in _TYPES:
            raise invalid("invalidParameter", f"Invalid value '{kind}' for type.", domain="global", location="type")
    if types != ["video"] and any(parameters.text(name) for name in _VIDEO_FILTERS):
        message = "The search filters of the request do not go together: a video filter needs type=video."
        raise invalid("invalidSearchFilter", message, domain="youtube.search", location="type")
    text = parameters.text("q") or ""
    category = parameters.text("videoCategoryId")
    parameters.choice("safeSearch", _SAFETY, "moderate")
    query = Query(
        text=text,
        terms=Query.parse(text),
        after=parameters.time("publishedAfter"),
        before=parameters.time("publishedBefore"),
        order=parameters.choice("order", _ORDERS, "relevance"),
        category=int(category) if category and category.isascii() and category.isdigit() else None,
    )
    offset = parameters.offset()
    found = world.search(query, at) if "video" in types else []
    page = found[offset : offset + amount]
    items = [resources.search_item(video, at, call, parts) for video in page]
    document = {
        "kind": "youtube#searchListResponse",
        "etag": resources.etag("search", call, at),
        # A full page has a next one even when nothing follows: the last page may be empty.
        **_page_tokens(parameters, offset, amount, follows=len(page) == amount and offset + amount < CEILING),
        "regionCode": (parameters.text("regionCode") or "US").upper(),
        "pageInfo": {"totalResults": _estimate(found, offset), "resultsPerPage": amount},
        "items": items,
    }
    return EndpointResult(document, [video.id for video in page])


def _page_tokens(parameters: Parameters, offset: int, amount: int, *, follows: bool) -> dict[str, str]:
    tokens = {}
    if follows and amount:
        tokens["nextPageToken"] = parameters.token(offset + amount)
    if offset:
        tokens["prevPageToken"] = parameters.token(max(offset - amount, 0))
    return tokens


def _estimate(found: list[Video], offset: int) -> int:
    """Return totalResults: far from the truth, and another number on each page, as with YouTube."""
    if not found:
        return 0
    draw = mix(len(found) * 31 + offset)
    return min(_MOST_ESTIMATED, len(found) * (1 + draw % (400 if len(found) == CEILING else 4)))


def videos(parameters: Parameters, world: Catalogue, at: float, call: int) -> EndpointResult:  # noqa: ARG001  one signature
    """Answer videos.list by ids. Deleted videos are silently left out; charts are always empty."""
    parts = parameters.parts(resources.VIDEO_PARTS)
    wanted = parameters.ids()
    parameters.max_results()
    if not wanted and parameters.text("chart") is None:
        raise _no_filter("chart, id, myRating")
    items = [resources.video_item(video, at, parts) for video in _shown(world, wanted, at)]
    return EndpointResult(
        _listing("youtube#videoListResponse", items, len(items), len(items)), [item["id"] for item in items]
    )


def batch_get_stats(parameters: Parameters, world: Catalogue, at: float, call: int) -> EndpointResult:  # noqa: ARG001
    """Answer videos.batchGetStats. What the API does with deleted ids is not documented; here they are left out."""
    parts = parameters.parts(resources.VIDEO_STATS_PARTS)
    wanted = parameters.ids()
    if not wanted:
        raise missing("id")
    items = [resources.video_stats_item(video, at, parts) for video in _shown(world, wanted, at)]
    document = {"kind": "youtube#batchGetStatsResponse", "etag": resources.etag_of("stats", items), "items": items}
    return EndpointResult(document, [item["id"] for item in items])


def _shown(world: Catalogue, wanted: list[str], at: float) -> list[Video]:
    return [video for identifier in wanted if (video := world.video(identifier, at)) is not None]


def channels(parameters: Parameters, world: Catalogue, at: float, call: int) -> EndpointResult:  # noqa: ARG001  one signature
    """Answer channels.list by ids: at most maxResults of them, which is 5 where it is not given."""
    parts = parameters.parts(resources.CHANNEL_PARTS)
    wanted = parameters.ids()
    amount = parameters.max_results()
    if not wanted:
        raise _no_filter("forHandle, forUsername, id, managedByMe, mine")
    found = [channel for identifier in wanted if (channel := world.channel(identifier)) is not None]
    items = []
    for channel in found[:amount]:
        uploads = world.uploads(channel.id, at) if "statistics" in parts else []
        views = sum(video.counts(at).views for video in uploads)
        items.append(resources.channel_item(channel, parts, len(uploads), views))
    document = _listing("youtube#channelListResponse", items, len(found), amount)
    if not items:
        del document["items"]  # as the API has it, for channels only
    return EndpointResult(document, [item["id"] for item in items])


def playlist_items(parameters: Parameters, world: Catalogue, at: float, call: int) -> EndpointResult:  # noqa: ARG001
    """Answer playlistItems.list of a channel's uploads, newest first; there are no other playlists."""
    parts = parameters.parts(resources.PLAYLIST_ITEM_PARTS)
    amount = parameters.max_results()
    playlist = parameters.text("playlistId")
    if playlist is None:
        raise _no_filter("id, playlistId")
    channel = world.channel("UC" + playlist[2:]) if playlist.startswith("UU") else None
    if channel is None:
        raise refusal("not-found")
    offset = parameters.offset()
    uploads = world.uploads(channel.id, at)
    page = uploads[offset : offset + amount]
    items = [resources.playlist_item(video, offset + place, parts) for place, video in enumerate(page)]
    document = _listing("youtube#playlistItemListResponse", items, len(uploads), amount)
    document |= _page_tokens(parameters, offset, amount, follows=offset + amount < len(uploads))
    return EndpointResult(document, [video.id for video in page])


def _no_filter(expected: str) -> ApiError:
    message, where = f"No filter selected. Expected one of: {expected}", ("youtube.parameter", "parameters.")
    return invalid("missingRequiredParameter", message, domain=where[0], location=where[1], location_type="other")


def _listing(kind: str, items: list[dict[str, Any]], total: int, per_page: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "etag": resources.etag_of(kind, items),
        "items": items,
        "pageInfo": {"totalResults": total, "resultsPerPage": per_page},
    }


@dataclass(frozen=True)
class Route:
    """An endpoint: its path under the base URL, the bucket that pays for it, and what answers."""

    name: str
    path: str
    bucket: Bucket
    answer: Callable[[Parameters, Catalogue, float, int], EndpointResult]


ROUTES: Final[Mapping[str, Route]] = {
    route.name: route
    for route in (
        Route("search", "search", Bucket.SEARCH, search),
        Route("videos", "videos", Bucket.UNITS, videos),
        Route("batchGetStats", "videos:batchGetStats", Bucket.BATCH, batch_get_stats),
        Route("channels", "channels", Bucket.UNITS, channels),
        Route("playlistItems", "playlistItems", Bucket.UNITS, playlist_items),
    )
}
