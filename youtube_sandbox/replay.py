"""A world that replays a data set of daily view counts."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from youtube_sandbox.catalogue import Catalogue, Shelf
from youtube_sandbox.curves import Counts
from youtube_sandbox.ids import channel_id, digest
from youtube_sandbox.model import Channel, Video, handle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from youtube_sandbox.dataset import Dataset, DatasetVideo


class ReplayedCurve:
    """The counts of a video between and around the days that are known.

    Straight between two days; from zero at publication to the first day, where publication is known; constant after the
    last day.
    """

    __slots__ = ("_rows", "_times", "_visible")

    def __init__(self, video: DatasetVideo) -> None:
        rows = [(point.at, point.views, point.likes, point.comments) for point in video.points]
        if video.published is not None and video.published < rows[0][0]:
            rows.insert(0, (video.published, 0, 0, 0))
        self._rows = rows
        self._times = [row[0] for row in rows]
        self._visible = (not video.likes_hidden, not video.comments_off)

    def counts(self, at: float) -> Counts:
        """Return the counts at a time (seconds since 1970)."""
        place = bisect_right(self._times, at)
        after = self._rows[min(place, len(self._rows) - 1)]
        before = self._rows[max(place - 1, 0)]
        share = (at - before[0]) / (after[0] - before[0]) if after is not before else 0
        views, likes, comments = (round(a + (b - a) * share) for a, b in zip(before[1:], after[1:], strict=True))
        return Counts(views, likes if self._visible[0] else None, comments if self._visible[1] else None)


class ReplayWorld(Catalogue):
    """The videos of a data set, each from its publication on (or from the day it was first seen) until it was removed.

    A data set has neither a channel's id nor a video's length: both are derived from what it has.
    """

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self.dataset = dataset
        channels = {video.channel: _channel(video) for video in dataset.videos}
        self._channels = {channel.id: channel for channel in channels.values()}
        videos = [_video(video, channels[video.channel]) for video in dataset.videos]
        videos.sort(key=lambda video: (video.published, video.id))
        self._videos = {video.id: video for video in videos}
        self._shelf = Shelf(videos)

    def shelves(self, after: float | None, before: float) -> Iterator[Shelf]:  # noqa: ARG002  one shelf has all
        yield self._shelf

    def find_video(self, identifier: str, at: float) -> Video | None:
        video = self._videos.get(identifier)
        return video if video is not None and video.published <= at else None

    def channel(self, identifier: str) -> Channel | None:
        return self._channels.get(identifier)

    def describe(self) -> dict[str, Any]:
        dataset = self.dataset
        return {
            "kind": "replay",
            "dataset": dataset.name,
            "format": dataset.kind,
            "first": dataset.first.isoformat(),
            "last": dataset.last.isoformat(),
            "age": "since publication" if dataset.published_known else "since first seen",
            "channels": len(self._channels),
            "videos": len(self._videos),
            "rows": dataset.rows,
            "rows_skipped": dict(dataset.skipped),
        }


def _channel(video: DatasetVideo) -> Channel:
    draw = int.from_bytes(digest("replay", video.channel)[:6], "big")
    return Channel(
        id=channel_id("replay", video.channel),
        title=video.channel,
        description="",
        handle=handle(video.channel),
        published=1_136_073_600 + draw % 300_000_000,
        country="US",
        subscribers=1_000 + draw % 5_000_000,
    )


def _video(video: DatasetVideo, channel: Channel) -> Video:
    return Video(
        id=video.id,
        channel=channel,
        title=video.title,
        description=video.description,
        tags=video.tags,
        category=video.category,
        published=int(video.points[0].at if video.published is None else video.published),
        duration=60 + int.from_bytes(digest("length", video.id)[:4], "big") % 1_140,
        curve=ReplayedCurve(video),
        deleted=video.removed,
    )
