"""RetentionDAO: its batches are bounded, walk their indexes, and do no harm to those who work at the same time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from atlas.adapters.maia import MaiaDAO
from atlas.adapters.retention import Batch, RetentionDAO, RetentionLimits
from atlas.clock import clock
from atlas.config import settings
from atlas.database import Database
from atlas.db.pooler import WHOLE_TABLE
from atlas.db.queries import sql
from atlas.quota.buckets import quota_day

from ..support.clock_settings import running_from
from ..support.databases import WAITING
from ..support.event_loop import PATIENCE
from ..support.retention_rows import DAY, put_channel, put_query, put_snapshots, put_video, values

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]


async def done(batches: AsyncGenerator[Batch]) -> Counter[str]:
    """What all batches did together; none of them failed."""
    counts: Counter[str] = Counter()
    async for batch in batches:
        assert batch.error is None, batch.error
        counts.update(batch.counts)
    return +counts


class Observed(Database):
    """A database that counts its statements, and in which something happens once, after one of them finds rows."""

    def __init__(self, statement: str = "", then: Callable[[], Awaitable[None]] | None = None) -> None:
        super().__init__()
        self._statement, self._then = statement, then
        self.asked: Counter[str] = Counter()
        self.long: set[str] = set()
        """Those that may take as long as the reading of a table."""

    async def fetch(self, statement: str, *arguments: Any, seconds: float | None = None) -> list[asyncpg.Record]:
        rows = await super().fetch(statement, *arguments, seconds=seconds)
        self.asked[statement] += 1
        if seconds == WHOLE_TABLE:
            self.long.add(statement)
        if statement == self._statement and rows and self._then is not None:
            then, self._then = self._then, None
            await then()
        return rows


async def old_videos(db: Database, number: int, **columns: float) -> None:
    """So many videos, the first the oldest, none of which was refreshed for 40 days."""
    for n in range(number):
        days = 40 + (number - n) / 100
        await put_video(db, f"video{n:02}", clock.now(), **{"seen": days, "enriched": days, **columns})


async def test_no_transaction_deletes_more_rows_than_it_may(db: Database) -> None:
    now = clock.now()
    await old_videos(db, 30, read=1)
    for number in range(30):
        await put_snapshots(db, f"video{number:02}", now, *range(1, 30))
        await put_query(db, f"tag {number}", now, added=50)
    await db.fetch("INSERT INTO events (at, type) SELECT $1, 'churn' FROM generate_series(1, 95)", now - 40 * DAY)
    await db.fetch("CREATE TABLE deleted (transaction xid8, source text)")
    await db.fetch(
        "CREATE FUNCTION note_delete() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO deleted VALUES (pg_current_xact_id(), TG_ARGV[0]); RETURN NULL; END $$"
    )
    for table in ("videos", "video_stats_log", "search_queue", "events"):
        await db.fetch(
            f"CREATE TRIGGER note AFTER DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION note_delete('{table}')"
        )
    dao = RetentionDAO()
    assert await done(dao.expire_videos(200)) == {"videos_deleted": 30, "snapshots_deleted": 30 * 29}
    assert await done(dao.expire_queries(10)) == {"queries_deleted": 30}
    assert await done(dao.expire_history(10)) == {"events_deleted": 95}
    rows = await db.fetch(
        "SELECT source, max(number) AS most, count(*) AS transactions FROM"
        " (SELECT source, count(*) AS number FROM deleted GROUP BY source, transaction) AS each GROUP BY source"
    )
    assert {row["source"]: (row["most"], row["transactions"]) for row in rows} == {
        "videos": (2, 15),  # two have at most 144 snapshots, three may have 216
        "video_stats_log": (2 * 29, 15),
        "search_queue": (10, 3),
        "events": (10, 10),
    }


async def test_rows_of_the_same_moment_are_more_than_a_batch(db: Database) -> None:
    now = clock.now()
    for number in range(25):
        await put_video(db, f"video{number:02}", now, seen=40, enriched=40)
    await db.fetch("INSERT INTO events (at, type) SELECT $1, 'churn' FROM generate_series(1, 25)", now - 40 * DAY)
    await db.fetch(
        "INSERT INTO api_calls (day, fingerprint, bucket, counter_shard) SELECT $1, 'key', 'search', n"
        " FROM generate_series(1, 25) AS n",
        quota_day(now) - 40 * DAY,
    )
    for dry_run in (True, False):
        dao = RetentionDAO()
        assert (await done(dao.expire_videos(1, dry_run=dry_run)))["videos_deleted"] == 25
        assert await done(dao.expire_history(4, dry_run=dry_run)) == {"events_deleted": 25, "calls_deleted": 25}
    assert not await values(db, "SELECT 1 FROM videos") + await values(db, "SELECT 1 FROM api_calls")


async def test_a_table_is_read_again_only_for_more_than_one_reading_finds(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atlas.adapters.retention._FOUND_AT_ONCE", 10)
    now = clock.now()
    for number in range(25):
        await put_video(db, f"video{number:02}", now, seen=40, enriched=40 + number % 3)
        await put_channel(db, f"channel{number:02}", now)
    stale, empty = sql("retention/find_stale_videos"), sql("retention/find_empty_channels")
    store = Observed()
    async with store.session():
        for dry_run in (True, False):
            store.asked.clear()
            dao = RetentionDAO(store)
            assert (await done(dao.expire_videos(4 * 72, dry_run=dry_run)))["videos_deleted"] == 25
            assert await done(dao.expire_channels(4, dry_run=dry_run)) == {"channels_deleted": 25}
            assert store.asked[stale] == store.asked[empty] == 3
            assert store.asked[sql("retention/lock_stale_videos")] == 3 + 3 + 2
    assert store.long == {stale, empty, sql("retention/delete_empty_channels")}
    assert not await values(db, "SELECT id FROM videos") + await values(db, "SELECT id FROM channels")


async def test_a_caller_that_stops_iterating_stops_the_work(db: Database) -> None:
    await old_videos(db, 10)
    batches = RetentionDAO().expire_videos(3 * 72)
    first = await anext(batches)
    await batches.aclose()
    assert first.counts["videos_deleted"] == 3
    left = await values(db, "SELECT id FROM videos ORDER BY id")
    assert left == [f"video{number:02}" for number in range(3, 10)], "the oldest go first"


async def test_a_batch_that_is_refused_is_passed_over_and_only_so_often(db: Database) -> None:
    await old_videos(db, 40)
    await db.fetch("CREATE TABLE mine (video text REFERENCES videos (id))")
    await db.fetch("INSERT INTO mine VALUES ('video05'), ('video06'), ('video20'), ('video21'), ('video22')")
    batches = [batch async for batch in RetentionDAO().expire_videos(72)]
    refused = [str(batch.error) for batch in batches if batch.error is not None]
    assert len(refused) == 5
    assert all("violates foreign key constraint" in reason for reason in refused)
    left = await values(db, "SELECT id FROM videos ORDER BY id")
    assert left[:5] == ["video05", "video06", "video20", "video21", "video22"]
    assert left[5:] == [f"video{number}" for number in range(23, 40)], "three in a row are no matter of single rows"


async def test_locked_and_leased_rows_are_skipped_without_waiting(db: Database, other: asyncpg.Connection) -> None:
    now, real = clock.now(), datetime.now(UTC)
    for id_, until in (("held", real + DAY), ("late", real - DAY), ("locked", None), ("free", None)):
        await put_video(db, id_, now, seen=40, enriched=40, leased_until=until)
        await put_query(db, id_, now, added=40, leased_until=until)
    async with other.transaction():
        await other.execute("SELECT FROM videos WHERE id = 'locked' FOR UPDATE")
        await other.execute("SELECT FROM search_queue WHERE query_term = 'locked' FOR UPDATE")
        assert (await done(RetentionDAO().expire_videos(5_000)))["videos_deleted"] == 2
        assert (await done(RetentionDAO().expire_queries(5_000)))["queries_deleted"] == 2
    assert await values(db, "SELECT id FROM videos ORDER BY id") == ["held", "locked"]
    assert await values(db, "SELECT query_term FROM search_queue ORDER BY 1") == ["held", "locked"]
    assert (await done(RetentionDAO().expire_videos(5_000)))["videos_deleted"] == 1
    assert await values(db, "SELECT id FROM videos") == ["held"]


async def test_a_video_that_was_refreshed_or_claimed_since_it_was_found_stays(
    db: Database, other: asyncpg.Connection
) -> None:
    now = clock.now()
    for id_ in ("refreshed", "claimed", "being refreshed", "old"):
        await put_video(db, id_, now, seen=40, enriched=40, read=1)
    refresh = "UPDATE videos SET enriched_at = $1 WHERE id = $2"

    async def change() -> None:
        await db.fetch(refresh, now, "refreshed")
        await db.fetch("UPDATE videos SET leased_until = now() + interval '1 min' WHERE id = 'claimed'")

    store = Observed(sql("retention/find_stale_videos"), change)
    async with store.session():
        async with other.transaction():
            await other.execute(refresh, now, "being refreshed")
            assert await done(RetentionDAO(store).expire_videos(5_000)) == {"videos_deleted": 1}
        assert await done(RetentionDAO(store).expire_videos(5_000)) == {}
    assert await values(db, "SELECT id FROM videos ORDER BY id") == ["being refreshed", "claimed", "refreshed"]


async def test_no_snapshot_outlives_its_video(db: Database, other: asyncpg.Connection) -> None:
    """Also none that was committed after the video was found, by a shard that is late."""
    now = clock.now()
    await put_video(db, "old", now, seen=40, enriched=40, read=1)
    await put_snapshots(db, "old", now, 2)

    async def late() -> None:
        await other.execute("INSERT INTO video_stats_log (video_id, observed_at) VALUES ('old', $1)", now)

    store = Observed(sql("retention/lock_stale_videos"), late)
    async with store.session():
        assert await done(RetentionDAO(store).expire_videos(5_000)) == {"videos_deleted": 1, "snapshots_deleted": 2}
    assert not await values(db, "SELECT 1 FROM video_stats_log")


def found(video: str, channel: str) -> dict[str, Any]:
    """What YouTube says of a video."""
    return {"id": video, "snippet": {"channelId": channel, "channelTitle": "a new title", "title": "a title"}}


async def test_a_channel_that_gets_a_video_meanwhile_stays(db: Database, other: asyncpg.Connection) -> None:
    now = clock.now()
    for channel in ("empty", "filled", "filling", "kept"):
        await put_channel(db, channel, now)
    await put_video(db, "video", now, seen=1, enriched=1, channel="kept")

    async def fill() -> None:
        await other.execute(
            "INSERT INTO videos (id, channel_id, first_seen_at, zone) VALUES ('x', 'filled', $1, 1)", now
        )

    store = Observed(sql("retention/find_empty_channels"), fill)
    dao = MaiaDAO("hunter 0/1")
    async with store.session(), dao.transaction():
        await dao.ingest_video_metadata(found("new", "filling"))  # and not committed yet
        assert await done(RetentionDAO(store).expire_channels(2)) == {"channels_deleted": 1}
    assert await values(db, "SELECT id FROM channels ORDER BY id") == ["filled", "filling", "kept"]


async def test_a_video_that_waits_for_its_channel_to_go_stores_it_anew(db: Database, other: asyncpg.Connection) -> None:
    await put_channel(db, "empty", clock.now())
    hunters: list[asyncio.Task[Any]] = []

    async def find() -> None:
        hunters.append(asyncio.create_task(MaiaDAO().ingest_video_metadata(found("new", "empty"))))
        async with asyncio.timeout(PATIENCE):
            while not await other.fetchval(WAITING):
                await asyncio.sleep(0.01)  # polling: until it waits for the lock

    store = Observed(sql("retention/lock_channels"), find)
    async with store.session():
        assert await done(RetentionDAO(store).expire_channels(10)) == {"channels_deleted": 1}
    await asyncio.gather(*hunters)
    assert await values(db, "SELECT title FROM channels") == ["a new title"]


def test_limits_follow_the_settings_each_by_its_clock() -> None:
    with settings.override(
        # in the afternoon, where the quota day, which is Pacific, is the day of UTC
        atlas_clock=running_from(datetime(2031, 5, 5, 20, tzinfo=UTC)),
        retention_statistics_days=20,
        retention_metadata_days=10,
        retention_retired_days=0,
        retention_events_days=1,
        notify_interval_minutes=60 * 24 * 3,
    ):
        limits, now, real = RetentionLimits.now(), clock.now(), datetime.now(UTC)
    for given, wanted in (
        (limits.snapshots, now - 20 * DAY),
        (limits.metadata, now - 10 * DAY),
        (limits.retired, now),
        (limits.events, now - DAY),
        (limits.runs, real - DAY),
        (limits.notifications, real - 3 * DAY),
    ):
        assert abs(given - wanted) < timedelta(minutes=1)
    assert limits.calls == now.date() - 2 * DAY, "the quota day and the one before stay"
    assert limits.counts_outlive_metadata


@pytest.mark.parametrize("hours", [0, 7, 8, 23])
def test_no_archived_day_is_kept_of_which_a_record_may_be_too_old(hours: int) -> None:
    with settings.override(atlas_clock=running_from(datetime(2031, 5, 5, hours, 30, tzinfo=UTC))):
        limits = RetentionLimits.now()
    begin = datetime(limits.records.year, limits.records.month, limits.records.day, tzinfo=UTC)
    assert timedelta() <= begin - limits.metadata <= DAY


ROWS = 30_000


@pytest.fixture
async def full(db: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own to tables that are full and analysed; a twentieth of each is too old."""
    await db.fetch(
        """
        INSERT INTO videos (id, channel_id, first_seen_at, last_updated_at, zone, due_at, enriched_at, archived_at,
            retired_at)
        SELECT 'video' || n, 'channel' || n % 8000, at, at, 3,
            CASE WHEN n % 50 > 0 THEN at END, CASE WHEN n % 40 > 0 THEN at END, at, CASE WHEN n % 50 = 0 THEN at END
        FROM generate_series(1, $2::integer) AS n,
            LATERAL (SELECT $1::timestamptz - make_interval(mins => (n * 1511) % 45400) AS at) AS moment
        """,
        clock.now(), ROWS,
    )  # fmt: skip
    await db.fetch(
        "INSERT INTO events (at, type) SELECT $1::timestamptz - make_interval(mins => n * 3 / 2), 'churn'"
        " FROM generate_series(1, $2::integer) AS n",
        clock.now(), ROWS,
    )  # fmt: skip
    await db.fetch(
        "INSERT INTO runs (id, agent, started_at) SELECT gen_random_uuid(), 'hunter',"
        " now() - make_interval(mins => n * 3 / 2) FROM generate_series(1, $1::integer) AS n",
        ROWS,
    )
    await db.fetch(
        "INSERT INTO video_stats_log (video_id, observed_at, views) SELECT id, last_updated_at, 7 FROM videos"
    )
    await db.fetch(
        "INSERT INTO channels SELECT 'channel' || n, 'a channel', now(), now() FROM generate_series(1, 9000) AS n"
    )
    for table in ("videos", "channels", "events", "runs", "video_stats_log"):
        await db.fetch(f"ANALYZE {table}")
    connection = await db.connect()
    try:
        yield connection
    finally:
        await connection.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return f"'{{{','.join(value)}}}'" if isinstance(value, list) else f"'{value}'"


async def plan_of(connection: asyncpg.Connection, statement: str, *arguments: Any) -> list[dict[str, Any]]:
    """The nodes of a statement's generic plan as it runs: the one that is kept for whatever it is given."""
    given = ", ".join(map(literal, arguments))
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE kept AS {statement}")
        (row,) = await connection.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE kept ({given})")
    finally:
        await transaction.rollback()
        await connection.execute("DEALLOCATE ALL")
    return list(nodes(orjson.loads(row[0])[0]["Plan"]))


SOME = [f"video{number}" for number in range(70)]
INDEXED: dict[str, tuple[str, str, Callable[[RetentionLimits], tuple[Any, ...]]]] = {
    "stale": (sql("retention/lock_stale_videos"), "videos_pkey", lambda at: (SOME, at.metadata, at.retired)),
    "unread": (
        sql("retention/lock_unread_videos"), "videos_unenriched", lambda at: (at.metadata, None, 70, None, None),
    ),
    "retired": (
        sql("retention/lock_retired_videos"), "videos_retired",
        lambda at: (at.metadata, at.metadata, None, 70, None, None),
    ),
    "events": (
        sql("retention/expire_before", table="events", time="at"), "events_by_time",
        lambda at: (at.events, True, 100, None, None),
    ),
    "runs": (
        sql("retention/expire_before", table="runs", time="started_at"), "runs_by_start",
        lambda at: (at.runs, True, 100, None, None),
    ),
    "snapshots": (sql("erasure/erase_snapshots"), "_pkey", lambda _: (SOME,)),
}  # fmt: skip
SCANNED: dict[str, tuple[str, Callable[[RetentionLimits], tuple[Any, ...]]]] = {
    "stale": (sql("retention/find_stale_videos"), lambda at: (at.metadata, at.retired, 50_000, None, None)),
    "empty channels": (sql("retention/find_empty_channels"), lambda _: (50_000, None)),
    "channels": (sql("retention/delete_empty_channels"), lambda _: ([f"channel{number}" for number in range(5_000)],)),
}


async def test_a_batch_walks_an_index_and_what_none_holds_is_found_by_one_reading(full: asyncpg.Connection) -> None:
    limits = RetentionLimits.now()
    for name, (statement, index, arguments) in INDEXED.items():
        plan = await plan_of(full, statement, *arguments(limits))
        assert any(index in node.get("Index Name", "") for node in plan), (name, plan)
        for node in plan:
            assert node["Actual Rows"] * node["Actual Loops"] < ROWS / 10, (name, node)
            assert node.get("Rows Removed by Filter", 0) * node["Actual Loops"] < ROWS / 10, (name, node)
    for name, (statement, arguments) in SCANNED.items():
        plan = await plan_of(full, statement, *arguments(limits))
        readings = [node for node in plan if node.get("Relation Name") == "videos"]
        assert [reading["Actual Loops"] for reading in readings] == [1], (name, readings)
