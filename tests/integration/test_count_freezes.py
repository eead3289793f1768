"""Freezes: counts that stand still for all videos at once are one event, and their end is no breakout."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas import policy
from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import Database
from atlas.db.queries import sql

from ..support.clock_settings import standing_at

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
THRESHOLD = 2_000

Views = Callable[[int], int | None]


def growing(hour: int) -> int:
    return 100_000 + 1_000 * hour


def frozen(hour: int) -> int:
    """Stands still from hour 1 to hour 3."""
    return growing(0 if 0 < hour < 4 else hour)


class World:
    """Videos that are read each hour."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.dao = MaiaDAO()

    async def add(self, prefix: str, number: int, *, age: timedelta = 5 * HOUR, channels: int = 20) -> list[str]:
        ids = [f"{prefix}{n}" for n in range(number)]
        await self.db.fetch(
            "INSERT INTO videos (id, channel_id, published_at, first_seen_at, zone) SELECT id, 'c' || n % $2::int, "
            "$3, $3, 1 FROM unnest($1::text[]) WITH ORDINALITY AS video (id, n)",
            ids, channels, NOON - age,
        )  # fmt: skip
        return ids

    async def read(self, ids: list[str], hour: int, views: Views, minutes: float = 0) -> int:
        """A cycle reads these videos: their snapshots, then what is seen in them. The number of breakouts."""
        at = NOON + hour * HOUR + timedelta(minutes=minutes)
        await self.db.fetch(
            "INSERT INTO video_stats_log (video_id, observed_at, views) "
            "SELECT id, $2, $3 FROM unnest($1::text[]) AS id",
            ids, at, views(hour),
        )  # fmt: skip
        with settings.override(atlas_clock=standing_at(at), breakout_views_per_hour=THRESHOLD):
            await self.dao.check_freeze(ids, at)
            return len(await self.dao.judge_growth(ids, at))

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        rows = await self.db.fetch("SELECT type, payload FROM events WHERE type LIKE 'counts_%' ORDER BY id")
        return [(row["type"], row["payload"]) for row in rows]

    async def freezes(self) -> list[tuple[Any, ...]]:
        rows = await self.db.fetch(
            "SELECT started_at, ended_at, confirmed_at IS NOT NULL, videos FROM count_freezes ORDER BY id"
        )
        return [
            ((row[0] - NOON) / HOUR, (row[1] - NOON) / HOUR if row[1] else None, row[2], row[3])
            for row in rows
        ]  # fmt: skip


@pytest.fixture
def world(db: Database) -> World:
    return World(db)


async def test_a_freeze_is_one_event_and_its_end_another_and_no_breakout(world: World) -> None:
    batches = [await world.add(prefix, 40) for prefix in "abc"]
    breakouts = 0
    for hour in range(-2, 7):
        for place, ids in enumerate(batches):
            breakouts += await world.read(ids, hour, frozen, minutes=place)
    assert [name for name, _ in await world.events()] == ["counts_frozen", "counts_moving"]
    (_, began), (_, ended) = await world.events()
    assert began == {"since": "2026-11-22T13:00:00.000000Z", "videos": 80, "channels": 20}
    assert ended == {"since": "2026-11-22T13:00:00.000000Z", "until": "2026-11-22T16:00:00.000000Z"}
    assert await world.freezes() == [(1.0, 4.0, True, 80)]
    assert breakouts == 0


async def test_the_end_of_a_freeze_that_nobody_saw_is_no_breakout(world: World) -> None:
    ids = await world.add("a", 4)  # too few to see a freeze by
    for hour in range(-2, 6):
        assert await world.read(ids, hour, frozen) == 0
    assert await world.freezes() == []


async def test_a_video_that_breaks_out_over_a_whole_freeze_is_one_still(world: World) -> None:
    batches = [await world.add(prefix, 40) for prefix in "ab"]
    (star,) = await world.add("star", 1)
    for hour in range(-2, 5):
        for ids in batches:
            assert await world.read(ids, hour, frozen) == 0
        found = await world.read([star], hour, lambda hour: frozen(hour) + (50_000 if hour > 3 else 0))
        assert found == (hour == 4)


async def test_a_short_freeze_that_is_not_confirmed_makes_no_breakouts_either(world: World) -> None:
    ids = await world.add("a", 20)
    for hour in range(-2, 1):
        await world.read(ids, hour, growing)
    assert await world.read(ids, 1, lambda _: growing(0)) == 0
    assert await world.read(ids, 2, lambda _: growing(0) + 2_500) == 0
    assert await world.events() == []
    assert await world.freezes() == [(1.0, 2.0, False, 20)]


async def test_one_that_nothing_can_confirm_any_more_hides_no_breakout(world: World) -> None:
    ids = await world.add("a", 20)
    for hour in range(-2, 2):
        await world.read(ids, hour, frozen)
    assert await world.freezes() == [(1.0, None, False, 20)]
    later = 14 * 24  # nothing was read meanwhile, and no video is young that was
    new = await world.add("new", 2, age=-(later - 3) * HOUR)
    for hour in range(3):
        assert await world.read(new, later + hour, growing) == 0
    assert await world.read(new, later + 3, lambda hour: growing(hour) + 50_000) == 2
    assert await world.freezes() == [(1.0, 1.0, False, 20)]
    assert await world.events() == []


@pytest.mark.parametrize(
    ("number", "age", "channels", "curve"),
    [
        (40, 5 * HOUR, 20, {-2: 0, -1: 1000, 0: 1000}),
        (100, 5 * HOUR, 4, {-2: 0, -1: 1000, 0: 1000}),
        (100, timedelta(days=8), 20, {-2: 0, -1: 1000, 0: 1000}),
        *(
            (100, 5 * HOUR, 20, curve)
            for curve in (
                {-2: 0, -1: 19, 0: 19}, {-2: 1000, -1: 1000, 0: 1000}, {-2: 2000, -1: 1000, 0: 1000},
                {-2: 0, -0.25: 1000, 0: 1000}, {-1: 1000, 0: 1000}, {0: 1000}, {-2: 0, -1: 1000, 0: None},
                {-2: 0, -1: 1000, 0: 999}, {-2: 0, -1: 1000, 0: 1001},
            )
        ),
    ],
    ids=[
        "too few videos", "too few channels", "old", "quiet", "still before", "falling before", "read too soon",
        "read twice", "read once", "hidden", "falling", "growing",
    ],
)  # fmt: skip
async def test_what_does_not_prove_a_freeze(
    world: World, number: int, age: timedelta, channels: int, curve: dict[float, int | None]
) -> None:
    ids = await world.add("a", number, age=age, channels=channels)
    for hour, views in curve.items():
        await world.read(ids, 0, lambda _, views=views: views, minutes=hour * 60)  # type: ignore[misc]
    assert await world.events() == []


async def test_a_few_that_move_do_not_hide_a_freeze_and_many_do(world: World) -> None:
    for prefix, moving, names in (("few", 4, ["counts_frozen"]), ("many", 10, [])):
        await world.db.fetch("TRUNCATE count_freezes, events, videos, video_stats_log")
        ids = await world.add(prefix, 100)
        for hour in (-2, -1):
            await world.read(ids, hour, growing)
        at = NOON
        await world.db.fetch(
            "INSERT INTO video_stats_log (video_id, observed_at, views) "
            "SELECT id, $2, CASE WHEN n <= $3 THEN 200000 ELSE $4 END "
            "FROM unnest($1::text[]) WITH ORDINALITY AS video (id, n)",
            ids, at, moving, growing(-1),
        )  # fmt: skip
        with settings.override(atlas_clock=standing_at(at)):
            await world.dao.check_freeze(ids, at)
        assert [name for name, _ in await world.events()] == names


async def test_quiet_videos_do_not_end_a_freeze_and_old_ones_that_move_do(world: World) -> None:
    young, quiet = await world.add("a", 100), await world.add("q", 50)
    old = await world.add("o", 50, age=timedelta(days=90))
    for hour in (-2, -1, 0, 1):
        await world.read(young, hour, frozen)
        await world.read(quiet, hour, lambda _: 7)
        await world.read(old, hour, lambda _: 9_000)
    await world.read(quiet, 2, lambda _: 7)
    await world.read(old, 2, lambda _: 9_000)
    assert [name for name, _ in await world.events()] == ["counts_frozen"]
    await world.read(old, 3, lambda _: 9_100)
    assert [name for name, _ in await world.events()] == ["counts_frozen", "counts_moving"]


async def test_shards_that_see_it_at_once_write_one_event_each_way(world: World) -> None:
    batches = [await world.add(f"b{n}-", 30) for n in range(8)]
    for hour in (-2, -1, 0):
        for ids in batches:
            await world.read(ids, hour, growing)
    for hour, views in ((1, growing(0)), (2, growing(0)), (3, growing(3)), (4, growing(4))):
        await asyncio.gather(*(world.read(ids, hour, lambda _, views=views: views) for ids in batches))  # type: ignore[misc]
    assert [name for name, _ in await world.events()] == ["counts_frozen", "counts_moving"]
    assert [(freeze[0], freeze[1]) for freeze in await world.freezes()] == [(1.0, 3.0)]


async def test_while_counts_move_nothing_is_written(world: World, db: Database) -> None:
    ids = await world.add("a", 50)
    for hour in (-2, -1, 0):
        await world.read(ids, hour, growing)
    (row,) = await db.fetch("SELECT n_tup_ins FROM pg_stat_xact_all_tables WHERE relname = 'count_freezes'")
    assert await db.fetch("SELECT FROM count_freezes") == []
    assert row["n_tup_ins"] == 0


async def test_the_check_goes_by_the_index_of_the_snapshots(world: World, db: Database) -> None:
    ids = await world.add("a", 5000)
    await db.fetch(
        "INSERT INTO video_stats_log (video_id, observed_at, views) SELECT 'a' || n % 5000, "
        "$1::timestamptz - n / 5000 * interval '1 hour', 40000 - n FROM generate_series(0, 39999) AS n",
        NOON,
    )
    await db.fetch("ANALYZE video_stats_log")
    plan = "\n".join(
        row[0]
        for row in await db.fetch(
            f"EXPLAIN {sql('tracker/check_freeze')}", ids[:50], NOON, NOON - 7 * 24 * HOUR, policy.FREEZE_INTERVAL, 20.0
        )
    )
    assert "Seq Scan on video_stats_log" not in plan
    assert "Index" in plan
