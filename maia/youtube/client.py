"""The YouTube Data API v3, as far as Maia asks it: which questions there are, and what each costs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, Self

from atlas.models.parsing import usable_id
from atlas.quota.buckets import Bucket
from atlas.times import iso
from maia import __version__
from maia.runtime.shutdown import Shutdown
from maia.youtube.executor import Caller, Method
from maia.youtube.models import ChannelList, PlaylistPage, SearchPage, StatsList, VideoList
from maia.youtube.reservations import Ring
from maia.youtube.transport import Transport

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["MAX_IDS", "Ring", "YouTubeClient"]

MAX_IDS: Final = 50
"""Ids in one call (YouTube: videos.list, videos.batchGetStats), and results on one page."""

_SEARCH: Final = Method("search.list", "/search", Bucket.SEARCH)
_VIDEOS: Final = Method("videos.list", "/videos", Bucket.UNITS)
_STATS: Final = Method("videos.batchGetStats", "/videos:batchGetStats", Bucket.BATCH)
_CHANNELS: Final = Method("channels.list", "/channels", Bucket.UNITS)
_PLAYLIST: Final = Method("playlistItems.list", "/playlistItems", Bucket.UNITS)

# Answers that go to the archive come whole; these two do not, and are asked for no more than is read.
_STATS_FIELDS: Final = "kind,items(id,snippet/publishTime,statistics,contentDetails)"
_PLAYLIST_FIELDS: Final = (
    "kind,nextPageToken,items(id,contentDetails(videoId,videoPublishedAt),snippet(publishedAt,channelId,channelTitle,"
    "title,description,playlistId,position,resourceId/videoId,videoOwnerChannelId,videoOwnerChannelTitle))"
)


class YouTubeClient:
    """Asks the API with the keys of one ring. Use it as an async context manager: one HTTP session per client.

    Args:
        ring: where keys come from.
        base_url: such as `https://www.googleapis.com/youtube/v3`.
        shutdown: no new call and no new try starts once it is requested; it also ends a pause between tries.
        concurrency: calls at once at most; the others wait.
        timeout: seconds (real) for one try.
        connect_timeout: seconds of it for the connection.
        backoff: the first pause between tries is random between 0 and this many seconds, the second up to twice that.
        user_agent: who asks, such as `maia/1.0 (hunter 0/4)`.

    Every method raises, besides what its own text says:
        RateLimited: the caller makes a churn of it.
        TransientError (ServerError, Malformed, NetworkError): three tries failed.
        BadRequest, Forbidden, NotFound, PageTokenInvalid: this question has no answer.
        Stopped: a shutdown was requested before the call, or before it went on with the next key.
        RingExhausted, KeysRejected, EmptyKeyRing (atlas.errors): no key is left for this bucket.
    A key whose quota is spent, or that is wrong or blocked, is told to the ring, and the call goes on with the next.
    """

    def __init__(
        self,
        ring: Ring,
        *,
        base_url: str,
        shutdown: Shutdown | None = None,
        concurrency: int = 32,
        timeout: float = 30.0,
        connect_timeout: float = 10.0,
        backoff: float = 1.0,
        user_agent: str = f"maia/{__version__}",
    ) -> None:
        transport = Transport(
            base_url,
            user_agent=user_agent,
            connections=concurrency,
            timeout=timeout,
            connect_timeout=connect_timeout,
        )
        self._caller = Caller(ring, transport, shutdown=shutdown, concurrency=concurrency, backoff=backoff)

    async def __aenter__(self) -> Self:
        await self._caller.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._caller.close()

    async def search(
        self,
        q: str,
        *,
        page_token: str | None = None,
        published_after: datetime | None,
        published_before: datetime | None,
        region: str | None = None,
        language: str | None = None,
        safe_search: str | None = None,
        category: str | int | None = None,
        max_results: int = MAX_IDS,
    ) -> SearchPage:
        """search.list: videos of a window of time, newest first. One of 100 searches a day, whatever the page.

        The window is aware times, cut to seconds; None: no bound. A page token holds only for the very same arguments.
        `region` is an ISO 3166 country, `language` an ISO 639 language, `safe_search` none, moderate or strict. Raises
        ValueError for a naive time, a window that ends before it begins, or more than 50 results.
        """
        if not 0 < max_results <= MAX_IDS:
            raise ValueError(f"max_results must be 1 to {MAX_IDS}, not {max_results}")
        after, before = _rfc3339(published_after), _rfc3339(published_before)
        if after is not None and before is not None and after >= before:  # of one form, so they sort as text
            raise ValueError(f"the window from {after} to {before} is empty")
        params: dict[str, str | None] = {
            "part": "snippet",
            "type": "video",
            "order": "date",
            "q": q,
            "maxResults": str(max_results),
            "publishedAfter": after,
            "publishedBefore": before,
            "pageToken": page_token,
            "regionCode": region,
            "relevanceLanguage": language,
            "safeSearch": safe_search,
            "videoCategoryId": None if category is None else str(category),
        }
        return await self._caller.ask(_SEARCH, SearchPage, params)

    async def videos(
        self, ids: Sequence[str], *, parts: Sequence[str] = ("snippet", "contentDetails", "statistics")
    ) -> VideoList:
        """videos.list: 1 unit for up to 50 ids. Deleted and private videos are absent from the answer.

        Raises ValueError for more than 50 ids or one that cannot be one. No ids: an empty answer, without a call.
        """
        if not (joined := _joined(ids)):
            return VideoList.nothing()
        return await self._caller.ask(_VIDEOS, VideoList, {"part": ",".join(parts), "id": joined})

    async def batch_get_stats(self, ids: Sequence[str]) -> StatsList:
        """videos.batchGetStats: one call of its own bucket for up to 50 ids; ids and errors like `videos`."""
        if not (joined := _joined(ids)):
            return StatsList.nothing()
        parts = "id,snippet,statistics,contentDetails"
        return await self._caller.ask(_STATS, StatsList, {"part": parts, "id": joined, "fields": _STATS_FIELDS})

    async def channels(self, ids: Sequence[str]) -> ChannelList:
        """channels.list: 1 unit for up to 50 ids; ids and errors like `videos`."""
        if not (joined := _joined(ids)):
            return ChannelList.nothing()
        # Without maxResults a list is cut at 5.
        params = {"part": "snippet,contentDetails,statistics", "id": joined, "maxResults": str(MAX_IDS)}
        return await self._caller.ask(_CHANNELS, ChannelList, params)

    async def playlist_items(self, playlist_id: str, page_token: str | None = None) -> PlaylistPage:
        """playlistItems.list: 1 unit for a page of 50. Raises ValueError when `playlist_id` cannot be one.

        A next token that is the one that was sent leads nowhere: such a page counts as the last.
        """
        if usable_id(playlist_id) is None:
            raise ValueError("not the id of a playlist")
        params = {
            "part": "snippet,contentDetails",
            "playlistId": playlist_id,
            "maxResults": str(MAX_IDS),
            "pageToken": page_token,
            "fields": _PLAYLIST_FIELDS,
        }
        page = await self._caller.ask(_PLAYLIST, PlaylistPage, params)
        if page.next_page_token == page_token:
            page.next_page_token = None
        return page


def _joined(ids: Sequence[str]) -> str:
    if isinstance(ids, str):
        raise TypeError("ids is one text: give a sequence of ids")
    if len(ids) > MAX_IDS:
        raise ValueError(f"{len(ids)} ids in one call: YouTube takes {MAX_IDS} at most")
    if any(usable_id(id_) is None for id_ in ids):
        raise ValueError("one of the ids cannot be one")
    return ",".join(ids)


def _rfc3339(time: datetime | None) -> str | None:
    if time is None:
        return None
    if time.tzinfo is None:
        raise ValueError("a window of time needs aware times")
    return iso(time)
