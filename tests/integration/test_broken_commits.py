"""The connection breaks as a transaction commits: what the Tracker sees in counts is written once all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import pytest

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import Database

from ..support.clock_settings import standing_at
from ..support.tcp_proxy import Wire, wire_to
from .test_breakouts import HOUR, NOON

pytestmark = pytest.mark.integration


def frozen(hour: int) -> int:
    """Stands still from hour 1 to hour 3."""
    return 100_000 + (0 if 0 < hour < 4 else 1_000 * hour)


def rising(hour: int) -> int:
    """Grows a hundredfold from hour 2 on."""
    return 100_000 + 500 * hour + max(0, hour - 2) * 50_000


@pytest.fixture
async def wire(dsn: str) -> AsyncIterator[Wire]:
    async with wire_to(dsn) as wire:
        yield wire


@pytest.fixture
async def store(wire: Wire) -> AsyncIterator[Database]:
    store = Database()
    with settings.override(database_url=wire.dsn()):
        await store.open()
    yield store
    await store.close()


async def watch(db: Database, dao: MaiaDAO, ids: list[str], at: datetime, views: int) -> None:
    await db.fetch(
        "INSERT INTO video_stats_log (video_id, observed_at, views) SELECT id, $2, $3 FROM unnest($1::text[]) AS id",
        ids, at, views,
    )  # fmt: skip
    with settings.override(atlas_clock=standing_at(at)):
        await dao.check_freeze(ids, at)
        await dao.learn_growth()
        await dao.judge_growth(ids, at)


@pytest.mark.parametrize("arrives", [False, True], ids=["commit", "answer"])
@pytest.mark.parametrize(
    ("views", "number", "expected"),
    [
        (frozen, 100, {"counts_frozen": 1, "counts_moving": 1}),
        (rising, 2, {"breakout": 2}),
    ],
    ids=["freeze", "breakouts"],
)
async def test_each_transaction_is_repeated_and_each_event_is_one(
    db: Database,
    wire: Wire,
    store: Database,
    views: Callable[[int], int],
    number: int,
    expected: dict[str, int],
    arrives: bool,
) -> None:
    dao = MaiaDAO(store=store)
    ids = [f"v{n}" for n in range(number)]
    await db.fetch(
        "INSERT INTO videos (id, channel_id, published_at, first_seen_at, zone) "
        "SELECT id, 'c' || n, $2, $2, 1 FROM unnest($1::text[]) WITH ORDINALITY AS video (id, n)",
        ids, NOON - 5 * HOUR,
    )  # fmt: skip
    broken = 0
    for hour in range(-2, 8):
        wire.break_at(b"COMMIT", arrives=arrives)
        await watch(db, dao, ids, NOON + hour * HOUR, views(hour))
        broken += not wire.will_break
    assert broken >= 2, "bands are learnt, and something is seen"
    rows: list[Any] = await db.fetch("SELECT type, count(*) AS number FROM events GROUP BY type")
    assert {row["type"]: row["number"] for row in rows} == expected
    assert await db.fetch("SELECT FROM growth_bands LIMIT 1")
