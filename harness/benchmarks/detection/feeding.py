"""Feed a world's readings to a real database, hour by hour, and let the product's detector judge them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from atlas import policy
from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import database
from atlas.snapshots.maintenance import maintain
from harness.benchmarks.detection.judge import HOUR, Alert, Forecasts
from harness.benchmarks.detection.worlds import Sample, duration
from harness.benchmarks.world import fresh_database

if TYPE_CHECKING:
    import asyncpg

    from youtube_sandbox.model import Video

FORECASTS: Final = {"24h": (24, (2, 6, 12)), "7d": (168, (6, 24, 72))}
"""Of each forecast: the age that it is for, and the ages from which it is made, in hours."""
_LATE: Final = {"24h": 1.5, "7d": 6.5}  # hours that a reading may lie after such an age

_VIDEO = ["id", "channel_id", "title", "published_at", "tags", "category_id", "duration", "first_seen_at",
          "last_updated_at", "zone", "due_at", "enriched_at", "archived_at"]  # fmt: skip
_UPDATE = """
UPDATE videos SET last_updated_at = new.at, zone = new.zone, due_at = new.due_at, duration = new.duration
FROM unnest($1::text[], $2::timestamptz[], $3::smallint[], $4::timestamptz[], $5::interval[])
    AS new (id, at, zone, due_at, duration)
WHERE videos.id = new.id
"""
_FORECASTS = """
SELECT video_id, views_24h_low, views_24h, views_24h_high, views_7d_low, views_7d, views_7d_high
FROM video_growth WHERE video_id = ANY ($1)
"""
_CHANNELS = "INSERT INTO channels SELECT id, id, $2, $2 FROM unnest($1::text[]) AS id ON CONFLICT DO NOTHING"


@dataclass
class Found:
    """What the detector made of a world."""

    alerts: list[Alert] = field(default_factory=list)
    forecasts: dict[str, Forecasts] = field(default_factory=lambda: {name: Forecasts() for name in FORECASTS})
    judged: int = 0
    judging_seconds: float = 0.0
    learning_seconds: float = 0.0
    learnt: int = 0


def standing_at(moment: float) -> str:
    """Return a schedule clock that stands nearly still at this moment: a second of it is some 12 days."""
    return f"0.000001x@{datetime.now(UTC).isoformat()}={_time(moment).isoformat()}"


async def detect(world: Sample) -> Found:
    """Run the detector over a world, in a database of its own."""
    found = Found()
    with settings.override(atlas_clock=standing_at(world.begin)):
        async with fresh_database():
            connection = await database.connect()
            try:
                await feed(world, found, connection)
            finally:
                await connection.close()
            numbers = {video.id: number for number, video in enumerate(world.videos)}
            rows = await database.fetch("SELECT video_id, detected_at FROM breakouts ORDER BY id")
            found.alerts = [Alert(numbers[row["video_id"]], row["detected_at"].timestamp()) for row in rows]
    return found


async def feed(world: Sample, found: Found, connection: asyncpg.Connection) -> None:
    """Store the readings of a world hour by hour, and judge them, with a schedule clock that stands at each hour."""
    dao = MaiaDAO("tracker 0/1")
    feeding = _Feed(world, connection)
    day = world.begin
    for hour, numbers in world.hours():
        since = _time(hour - HOUR)
        with settings.override(atlas_clock=standing_at(hour)):
            if hour >= day:  # as the Janitor and autovacuum do
                day += 24 * HOUR
                await maintain(database, _time(hour), _time(world.begin - 24 * HOUR), batch=1_000)
                await connection.execute("ANALYZE videos, video_stats_log, video_growth")
            ids = await feeding.store(numbers)
            began = time.perf_counter()
            found.learnt += await dao.learn_growth()
            learnt = time.perf_counter()
            await dao.judge_growth(ids, since)
            found.judged += len(ids)
            found.learning_seconds += learnt - began
            found.judging_seconds += time.perf_counter() - learnt
            await feeding.sample(numbers, found.forecasts)


class _Feed:
    def __init__(self, world: Sample, connection: asyncpg.Connection) -> None:
        self._world = world
        self._connection = connection
        self._last: dict[int, tuple[float, int]] = {}
        self._sampled: set[tuple[int, str, int]] = set()
        self._wanted: list[tuple[int, str, float]] = []

    async def store(self, numbers: range) -> list[str]:
        """Store the readings as the agents do; return the ids of their videos."""
        world = self._world
        new, again, log = [], [], []
        self._wanted = []
        for number in numbers:
            index, at, views = world.video[number], world.at[number], world.views[number]
            video = world.videos[index]
            moment, born = _time(at), _time(video.published)
            zone, due = policy.schedule(born, moment, pending=video.live(at))
            log.append((video.id, moment, views, None, None))
            if index in self._last:
                again.append((video.id, moment, zone, due, duration(video, at)))
            else:
                new.append(
                    (video.id, video.channel.id, video.title, born, list(video.tags), video.category,
                     duration(video, at), moment, moment, zone, due, moment, moment)
                )  # fmt: skip
            self._want(index, video, at, views)
            self._last[index] = at, views
        copy = self._connection.copy_records_to_table
        if new:
            await self._connection.execute(_CHANNELS, [row[1] for row in new], new[0][7])
            await copy("videos", records=new, columns=_VIDEO)
        if again:
            await self._connection.execute(_UPDATE, *_columns(again))
        await copy("video_stats_log", records=log, columns=["video_id", "observed_at", "views", "likes", "comments"])
        return list(dict.fromkeys(row[0] for row in log))

    def _want(self, index: int, video: Video, at: float, views: int) -> None:
        """Remember a reading whose forecast is to be looked at, with the naive one."""
        age = (at - video.published) / HOUR
        before = self._last.get(index)
        if before is None or age > 80:
            return
        for name, (target, ages) in FORECASTS.items():
            for sampled in ages:
                key = index, name, sampled
                if sampled <= age < sampled + _LATE[name] and key not in self._sampled:
                    self._sampled.add(key)
                    rate = (views - before[1]) / (at - before[0])
                    self._wanted.append((index, name, views + rate * (target - age) * HOUR))

    async def sample(self, numbers: range, forecasts: dict[str, Forecasts]) -> None:
        """Look at the forecasts of this hour's readings. Of ``numbers``, those that are wanted."""
        if not self._wanted or not numbers:
            return
        videos = self._world.videos
        ids = {videos[index].id for index, _, _ in self._wanted}
        rows = {row["video_id"]: row for row in await self._connection.fetch(_FORECASTS, list(ids))}
        for index, name, naive in self._wanted:
            video = videos[index]
            then = video.published + FORECASTS[name][0] * HOUR
            if video.alive(then):
                row = rows.get(video.id)
                forecast = None
                if row is not None and row[f"views_{name}"] is not None:
                    forecast = row[f"views_{name}_low"], row[f"views_{name}"], row[f"views_{name}_high"]
                forecasts[name].count(forecast, naive, video.counts(then).views)


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
