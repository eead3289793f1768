"""Breakouts: which videos grow far beyond what is usual for them, by their snapshots."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import Database
from atlas.db.queries import bind

from ..support.clock_settings import standing_at

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

Curve = Callable[[float], float | None]
"""The views of a video at an age in hours."""


def usual(hours: float) -> float:
    """Grows by 1,000 at first, later more slowly."""
    return 1_000 * hours**0.5


class World:
    """Videos that are read as the Tracker reads them, each reading judged."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.dao = MaiaDAO()

    async def add(self, *ids: str, age: float = 0, channels: int = 20, minutes: float = 10) -> None:
        """Store videos of this age in hours."""
        await self.db.fetch(
            "INSERT INTO videos (id, channel_id, published_at, first_seen_at, zone, duration) "
            "SELECT id, 'c' || n % $2::int, $3, $3, 1, $4 FROM unnest($1::text[]) WITH ORDINALITY AS video (id, n)",
            list(ids), channels, NOON - age * HOUR, timedelta(minutes=minutes),
        )  # fmt: skip

    async def read(self, hour: float, views: dict[str, float | None]) -> list[str]:
        """Read these videos at once; return the breakouts that this opened."""
        at = NOON + hour * HOUR
        counts = [None if count is None else int(count) for count in views.values()]
        await self.db.fetch(
            "INSERT INTO video_stats_log (video_id, observed_at, views) "
            "SELECT id, $2, count FROM unnest($1::text[], $3::bigint[]) AS video (id, count)",
            list(views), at, counts,
        )  # fmt: skip
        with settings.override(atlas_clock=standing_at(at)):
            await self.dao.check_freeze(list(views), at)
            return await self.dao.judge_growth(list(views), at)

    async def follow(self, curves: dict[str, Curve], hours: range, every: int = 1) -> dict[str, list[int]]:
        """Read the videos at these hours; return at which hours each broke out."""
        found: dict[str, list[int]] = {id_: [] for id_ in curves}
        for hour in range(hours.start, hours.stop, every):
            for id_ in await self.read(hour, {id_: curve(hour) for id_, curve in curves.items()}):
                found[id_].append(hour)
        return found

    async def rows(self, statement: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.db.fetch(statement)]


@pytest.fixture
def world(db: Database) -> World:
    return World(db)


async def test_growth_far_beyond_the_usual_is_one_breakout_with_one_event_and_an_end(world: World) -> None:
    await world.add("star")

    def views(hour: float) -> float:
        return usual(hour) + 2_000 * min(max(0, hour - 10), 12)

    found = await world.follow({"star": views}, range(28))
    assert found == {"star": [17]}
    (breakout,) = await world.rows("SELECT * FROM breakouts")
    assert breakout["views"] == int(views(17))
    assert breakout["views_per_hour"] == pytest.approx(2_120, rel=0.02)
    assert breakout["usual_per_hour"] == pytest.approx(150, rel=0.3)
    assert breakout["peak_views_per_hour"] >= breakout["views_per_hour"]
    assert NOON + 22 * HOUR < breakout["ended_at"] <= NOON + 25 * HOUR
    (event,) = await world.rows("SELECT payload FROM events WHERE type = 'breakout'")
    assert set(event["payload"]) == {"video_id", "score", "views", "views_per_hour", "usual_per_hour"}
    assert event["payload"]["score"] >= settings.breakout_min_score


@pytest.mark.parametrize(
    "views",
    [
        usual,
        lambda hour: usual(hour) + (20_000 if hour > 10 else 0),
        lambda hour: usual(hour) - (300 if hour in {5, 12} else 0),
        lambda hour: usual(hour // 6 * 6),
        lambda hour: None if 8 < hour < 12 else usual(hour),
        lambda hour: usual(hour) if hour > 3 else None,
        lambda hour: 1_000_000 if hour == 0 else 1_000_000 + usual(hour),
        lambda hour: hour // 3,
        lambda hour: usual(hour) if hour < 12 else 100,
        lambda _: 0,
    ],
    ids=[
        "usual", "a burst of an hour", "falls", "long flats", "hidden for a while", "hidden at first", "many at first",
        "a few views", "most are taken away", "none",
    ],
)  # fmt: skip
async def test_what_is_no_breakout(world: World, views: Curve) -> None:
    await world.add("video")
    assert await world.follow({"video": views}, range(30)) == {"video": []}


async def test_a_rate_that_the_user_names_is_a_breakout_whatever_is_usual(world: World) -> None:
    await world.add("big", "small")
    with settings.override(breakout_views_per_hour=1_000):
        found = await world.follow({"big": lambda hour: 1_200 * hour, "small": lambda hour: 900 * hour}, range(5))
    assert found == {"big": [1], "small": []}
    (event,) = await world.rows("SELECT payload FROM events")
    assert event["payload"]["views_per_hour"] == 1_200


async def test_a_step_in_the_counts_of_all_videos_is_no_breakout(world: World) -> None:
    ids = [f"v{n}" for n in range(40)]
    await world.add(*ids)

    def stepped(hour: float) -> float:
        return usual(hour) + 3_000 * min(max(0, hour - 10), 3)

    found = await world.follow(dict.fromkeys(ids, stepped), range(16))
    assert not any(found.values())


async def test_growth_has_the_rates_and_is_not_judged_twice(world: World) -> None:
    await world.add("video")
    await world.follow({"video": lambda hour: 100 * hour}, range(26))
    (row,) = await world.rows("SELECT * FROM video_growth")
    assert (row["views"], row["kind"], row["observed_at"]) == (2_500, 1, NOON + 25 * HOUR)
    rates = [row[name] for name in ("views_per_hour", "views_per_hour_6h", "views_per_hour_24h")]
    assert rates == pytest.approx([100, 100, 100])
    await world.dao.judge_growth(["video"], NOON)
    assert await world.rows("SELECT * FROM video_growth") == [row]


async def test_the_curve_is_learnt_once_in_a_while(world: World) -> None:
    ids = [f"v{n}" for n in range(120)]
    await world.add(*ids)
    await world.follow({id_: lambda hour, n=n: (n + 50) * usual(hour) for n, id_ in enumerate(ids)}, range(1, 30))
    with settings.override(atlas_clock=standing_at(NOON + 30 * HOUR)):
        assert await world.dao.learn_growth()
        assert not await world.dao.learn_growth()
        assert not await MaiaDAO().learn_growth()
    with settings.override(atlas_clock=standing_at(NOON + 40 * HOUR)):
        assert await MaiaDAO().learn_growth()
    bands = await world.rows("SELECT * FROM growth_bands WHERE kind = 1 ORDER BY band")
    assert [bands[n]["slope"] for n in (4, 5)] == pytest.approx([-0.55, -0.55], abs=0.1)


async def test_a_thousand_videos_are_judged_by_indexes(db: Database) -> None:
    await db.fetch(
        "INSERT INTO videos (id, published_at, first_seen_at, zone) "
        "SELECT 'v' || n, $1, $1, 1 FROM generate_series(0, 4999) AS n",
        NOON,
    )
    await db.fetch(
        "INSERT INTO video_stats_log (video_id, observed_at, views) SELECT 'v' || n % 5000, "
        "$1::timestamptz - n / 5000 * interval '1 hour', 40000 - n FROM generate_series(0, 39999) AS n",
        NOON,
    )
    ids = [f"v{n}" for n in range(5_000)]
    await MaiaDAO().judge_growth(ids, NOON)
    await db.fetch("ANALYZE video_stats_log, videos, video_growth")
    plan = "\n".join(row[0] for row in await db.fetch(*explained(ids[:50])))
    scans = re.findall(r"Seq Scan on (\S+) .*rows=(\d+)", plan)
    assert {table for table, rows in scans if int(rows) > 60} <= {"growth_bands", "growth_levels", "count_freezes"}


async def test_no_plan_of_an_empty_table_is_kept_once_it_is_full(dsn: str, db: Database) -> None:
    ids = [f"v{n}" for n in range(50)]
    await db.fetch(
        "INSERT INTO videos (id, channel_id, published_at, first_seen_at, zone) "
        "SELECT id, id, $2, $2, 1 FROM unnest($1::text[]) AS id",
        ids, NOON,
    )  # fmt: skip
    await db.fetch("VACUUM (ANALYZE) video_stats_log")
    store = Database()
    with settings.override(database_url=dsn, database_pool_size=1):
        await store.open()
    dao = MaiaDAO(store=store)

    async def watch() -> int:
        """Check the videos. Return how many rows of snapshots were read so far by scans of whole tables."""
        with settings.override(atlas_clock=standing_at(NOON)):
            await dao.check_freeze(ids, NOON)
            await dao.judge_growth(ids, NOON)
        await store.fetch("SELECT pg_stat_force_next_flush()")
        (row,) = await db.fetch(
            "SELECT sum(seq_tup_read)::int AS number FROM pg_stat_user_tables WHERE relname LIKE 'video_stats_log%'"
        )
        return int(row["number"])

    for _ in range(8):  # from the sixth time on, the server keeps a plan
        before = await watch()
    await db.fetch(
        "INSERT INTO video_stats_log (video_id, observed_at, views) "
        "SELECT 'v' || n % 2000, $1::timestamptz - n / 2000 * interval '1 hour', 40000 - n "
        "FROM generate_series(0, 19999) AS n",
        NOON,
    )
    assert await watch() == before
    await store.close()


def explained(ids: list[str]) -> tuple[Any, ...]:
    statement, *values = bind("breakouts/judge", **MaiaDAO.judge_parameters(ids, NOON))
    return (f"EXPLAIN {statement}", *values)
