"""The detector over real daily counts: a smoke test, since every video in them had already broken out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from atlas.adapters.growth import GrowthDAO
from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import Database
from youtube_sandbox.dataset import load
from youtube_sandbox.model import Video
from youtube_sandbox.replay import ReplayWorld

from ..support.clock_settings import standing_at

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)
MOST = 400  # videos of a data set; its first ones
ADD = """
INSERT INTO videos (id, channel_id, title, published_at, category_id, duration, first_seen_at, zone)
SELECT id, channel, title, published, category, $6 * interval '1 second', $7, 2
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::integer[])
    AS video (id, channel, title, published, category)
"""
READ = """
INSERT INTO video_stats_log (video_id, observed_at, views)
SELECT id, $3, views FROM unnest($1::text[], $2::bigint[]) AS video (id, views)
"""


@pytest.mark.parametrize("file", ["GB_2017-09-13_to_10-22.csv", "US_2017-11-14_to_11-28.csv"])
async def test_the_detector_judges_a_replayed_world_without_error(file: str, db: Database, shared_data: Path) -> None:
    dataset = load(shared_data / "trending" / file, year=2017 if file.startswith("GB") else None)
    world = ReplayWorld(dataset)
    dao = MaiaDAO()
    known: set[str] = set()
    begin = datetime(dataset.first.year, dataset.first.month, dataset.first.day, 12, tzinfo=UTC)
    end = begin + timedelta(days=(dataset.last - dataset.first).days)
    now = begin
    read = 0
    while now <= end:
        videos = _alive(world, now)
        with settings.override(atlas_clock=standing_at(now)):
            new = [video for video in videos if video.id not in known]
            known.update(video.id for video in new)
            await db.fetch(
                ADD, [video.id for video in new], [video.channel.id for video in new], [video.title for video in new],
                [datetime.fromtimestamp(video.published, UTC) for video in new], [video.category for video in new],
                600.0, now,
            )  # fmt: skip
            ids = [video.id for video in videos]
            await db.fetch(READ, ids, [video.counts(now.timestamp()).views for video in videos], now)
            await dao.learn_growth()
            opened = await dao.judge_growth(ids, now)
        assert set(opened) <= set(ids)
        read += len(ids)
        now += DAY / 4 if now < begin + 2 * DAY else DAY
    assert read > 3_000
    growth = await GrowthDAO(db).risers(limit=100_000)
    assert len(growth) > 0.5 * len(known)
    assert {each.video_id for each in growth} <= known
    for breakout in await GrowthDAO(db).breakouts(limit=100_000):
        assert breakout.views_per_hour >= settings.breakout_min_views_per_hour
        assert breakout.score >= settings.breakout_min_score
        assert begin <= breakout.detected_at < end + DAY


def _alive(world: ReplayWorld, now: datetime) -> list[Video]:
    at = now.timestamp()
    (shelf,) = world.shelves(None, at)
    return [video for video in shelf.videos[:MOST] if world.visible(video, at)]
