"""What the Community edition of TimescaleDB keeps by itself: continuous aggregates, their policies, the columnstore."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import asyncpg
import pytest

from atlas.config import settings
from atlas.database import Database
from atlas.db.queries import sql
from atlas.snapshots import columnstore, maintain
from atlas.snapshots.views import ensure_views, erase, expire

from ...support.count_series import DAY, HOUR, NOW, Sample, Series, buckets, generated, store, velocity
from ...support.databases import closing

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

VIEWS = {"video_stats_hourly": HOUR, "video_stats_daily": DAY}
WEEK = timedelta(days=7)


@pytest.fixture
async def connection(db: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own to a database with continuous aggregates, whose policies run when a test runs them."""
    async with closing(db.connect()) as connection:
        await ensure_views(connection)
        if await columnstore.community(connection) is None:
            pytest.skip("the server is not TimescaleDB's Community edition")
        await connection.fetch("SELECT _timescaledb_functions.stop_background_workers()")
        yield connection


async def jobs(connection: asyncpg.Connection, kind: str, relation: str) -> list[int]:
    found = await connection.fetch(
        "SELECT job_id FROM timescaledb_information.jobs "
        "WHERE proc_name = $1 AND to_regclass(format('%I.%I', hypertable_schema, hypertable_name)) = $2::regclass",
        kind, relation,
    )  # fmt: skip
    return [job for (job,) in found]


async def run(connection: asyncpg.Connection, kind: str, *relations: str) -> None:
    """Runs the policies of one kind now."""
    for relation in relations:
        (job,) = await jobs(connection, kind, relation)
        await connection.execute(f"CALL run_job({job})")


async def refresh(connection: asyncpg.Connection) -> None:
    await run(connection, "policy_refresh_continuous_aggregate", *VIEWS)


async def compress(connection: asyncpg.Connection, *relations: str) -> None:
    """Puts every chunk into the columnstore, however new."""
    for relation in relations:
        await connection.fetch(f"SELECT compress_chunk(chunk) FROM show_chunks('{relation}') AS chunk")


async def kept(connection: asyncpg.Connection, view: str) -> str:
    """The table that keeps an aggregate's rows."""
    (name,) = await connection.fetch(
        "SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) "
        "FROM timescaledb_information.continuous_aggregates WHERE view_name = $1",
        view,
    )
    return str(name[0])


async def check(connection: asyncpg.Connection, series: Series) -> None:
    for view, width in VIEWS.items():
        rows = await connection.fetch(f"SELECT * FROM {view} ORDER BY video_id, bucket")
        assert [dict(row) for row in rows] == buckets(series, width)


async def counts(connection: asyncpg.Connection) -> dict[str, int]:
    """How many rows are kept, below what is computed when it is read."""
    return {view: await connection.fetchval(f"SELECT count(*) FROM {await kept(connection, view)}") for view in VIEWS}


def since(series: Series, moment: datetime) -> Series:
    return {video: [one for one in samples if one.at >= moment] for video, samples in series.items()}


@pytest.mark.parametrize("seed", range(3))
async def test_the_aggregates_are_right_before_and_after_each_refresh(
    connection: asyncpg.Connection, seed: int
) -> None:
    series = generated(seed)
    split = NOW - timedelta(days=9, hours=5, minutes=20)
    early = {video: [one for one in samples if one.at < split] for video, samples in series.items()}
    await store(connection, early)
    await check(connection, early)  # nothing is kept yet
    await refresh(connection)
    assert min((await counts(connection)).values()) > 0
    await check(connection, early)
    await store(connection, since(series, split))  # some of it falls into a bucket that is kept already
    await refresh(connection)
    await check(connection, series)
    await compress(connection, "video_stats_log", *VIEWS)
    await check(connection, series)


async def test_what_comes_after_the_last_refresh_is_read_at_once(connection: asyncpg.Connection) -> None:
    first = {"one": [Sample(NOW - 5 * DAY, 5)]}
    await store(connection, first)
    await refresh(connection)
    later = {"one": [Sample(NOW - DAY, 9), Sample(NOW, 3)], "two": [Sample(NOW, 1)]}
    await store(connection, later)
    await check(connection, {"one": first["one"] + later["one"], "two": later["two"]})


async def test_each_view_and_the_snapshots_have_their_policies_once(connection: asyncpg.Connection) -> None:
    await ensure_views(connection)
    for relation in ("video_stats_log", *VIEWS):
        assert len(await jobs(connection, "policy_compression", relation)) == 1
    for view in VIEWS:
        assert len(await jobs(connection, "policy_refresh_continuous_aggregate", view)) == 1
    width = await connection.fetchval(
        "SELECT time_interval FROM timescaledb_information.dimensions WHERE hypertable_name = $1",
        (await kept(connection, "video_stats_daily")).partition(".")[2],
    )
    assert width == timedelta(days=settings.database_chunk_days)


async def make_plain(connection: asyncpg.Connection) -> None:
    """Puts the views of other servers in the place of the aggregates."""
    for view in reversed(VIEWS):
        await connection.execute(f"DROP MATERIALIZED VIEW {view}")
    await connection.execute(sql("snapshots/views/create_hourly"))
    await connection.execute(sql("snapshots/views/create_daily"))


async def test_plain_views_become_aggregates_and_keep_their_grants(
    connection: asyncpg.Connection, janitor: str
) -> None:
    """As it is where a server of the Apache edition becomes one of the Community edition."""
    series = generated(3)
    await store(connection, series)
    await make_plain(connection)
    for view in VIEWS:
        await connection.execute(f"GRANT SELECT ON {view} TO {janitor} WITH GRANT OPTION")
    await ensure_views(connection)
    await refresh(connection)
    assert min((await counts(connection)).values()) > 0
    await connection.execute(f"SET ROLE {janitor}")
    await check(connection, series)
    await connection.execute("RESET ROLE")
    grants = await connection.fetch(
        "SELECT is_grantable FROM information_schema.role_table_grants "
        "WHERE grantee = $1 AND table_name = ANY ($2) AND privilege_type = 'SELECT'",
        janitor, list(VIEWS),
    )  # fmt: skip
    assert [row["is_grantable"] for row in grants] == ["YES", "YES"]


async def test_what_cannot_become_an_aggregate_stays_a_view_with_the_same_answers(
    connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    series = generated(4)
    await store(connection, series)
    await make_plain(connection)
    await connection.execute("CREATE VIEW mine AS SELECT max(max_views) FROM video_stats_daily")
    await ensure_views(connection)
    assert "video_stats_daily is computed when it is read: TimescaleDB cannot keep it" in caplog.text
    await check(connection, series)
    assert await connection.fetchval("SELECT count(*) FROM mine") == 1


async def test_older_chunks_go_into_the_columnstore_and_answer_as_before(connection: asyncpg.Connection) -> None:
    series = generated(5)
    await store(connection, series)
    await refresh(connection)
    await run(connection, "policy_compression", "video_stats_log", *VIEWS)
    chunks = await connection.fetch(
        "SELECT is_compressed, range_end FROM timescaledb_information.chunks WHERE hypertable_name = 'video_stats_log'"
    )
    now = await connection.fetchval("SELECT now()")
    assert {row["is_compressed"] for row in chunks if row["range_end"] < now - 3 * DAY} <= {True}
    assert {row["is_compressed"] for row in chunks if row["range_end"] > now - 3 * DAY} <= {False}
    await compress(connection, "video_stats_log")
    rows = [dict(row) for row in await connection.fetch("SELECT * FROM video_velocity ORDER BY video_id")]
    assert [row["video_id"] for row in rows] == [row["video_id"] for row in velocity(series)]
    for row, expected in zip(rows, velocity(series), strict=True):
        assert row == {
            name: pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value
            for name, value in expected.items()
        }


async def test_the_columnstore_keeps_the_settings_of_its_owner(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "ALTER TABLE video_stats_log SET (timescaledb.segmentby = 'video_id', timescaledb.orderby = 'observed_at')"
    )
    await connection.execute("CALL remove_columnstore_policy('video_stats_log')")
    await ensure_views(connection)
    assert not await jobs(connection, "policy_compression", "video_stats_log")
    assert (
        await connection.fetchval(
            "SELECT segmentby FROM timescaledb_information.hypertable_columnstore_settings "
            "WHERE hypertable = 'video_stats_log'::regclass"
        )
        == "video_id"
    )


@pytest.fixture
async def janitor(connection: asyncpg.Connection, role: str) -> str:
    """A user who may read and delete, and owns nothing."""
    await connection.execute(f"GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    return role


@pytest.fixture(params=["rowstore", "columnstore"])
async def filled(connection: asyncpg.Connection, request: pytest.FixtureRequest) -> Series:
    """Series that are in the aggregates wholly."""
    series = generated(6)
    await store(connection, series)
    await refresh(connection)
    if request.param == "columnstore":
        await compress(connection, "video_stats_log", *VIEWS)
    return series


KEEP_FROM = (
    NOW - timedelta(days=10, hours=3, minutes=17),  # in the middle of a bucket
    NOW.replace(hour=0) - 10 * DAY,  # at the beginning of one
    NOW + WEEK,  # nothing is left
    NOW - 90 * DAY,  # nothing goes
)


async def nothing_older(connection: asyncpg.Connection, moment: datetime) -> None:
    for view in VIEWS:
        assert not await connection.fetch(f"SELECT 1 FROM {await kept(connection, view)} WHERE first_at < $1", moment)


@pytest.mark.parametrize("keep_from", KEEP_FROM)
async def test_the_aggregates_hold_nothing_older_than_the_retention(
    db: Database, connection: asyncpg.Connection, filled: Series, keep_from: datetime
) -> None:
    await maintain(db, NOW, keep_from, batch=100)
    await nothing_older(connection, keep_from)
    await check(connection, since(filled, keep_from))
    await refresh(connection)
    await check(connection, since(filled, keep_from))


async def test_a_user_who_may_only_delete_snapshots_leaves_the_aggregates_to_the_policy(
    connection: asyncpg.Connection, filled: Series, janitor: str
) -> None:
    for view in VIEWS:
        await connection.execute(f"REVOKE ALL ON {view} FROM {janitor}")
    await connection.execute(f"SET ROLE {janitor}")
    await expire(connection, KEEP_FROM[0])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await erase(connection, list(filled))
    await connection.execute("RESET ROLE")
    await check(connection, filled)


async def test_a_user_who_owns_nothing_expires_whole_buckets_and_the_policy_the_rest(
    connection: asyncpg.Connection, filled: Series, janitor: str
) -> None:
    keep_from = KEEP_FROM[0]
    await connection.execute(f"SET ROLE {janitor}")
    await connection.execute("DELETE FROM video_stats_log WHERE observed_at < $1", keep_from)
    await expire(connection, keep_from)
    await connection.execute("RESET ROLE")
    for view, width in VIEWS.items():
        oldest = await connection.fetchval(f"SELECT min(bucket) FROM {await kept(connection, view)}")
        assert oldest > keep_from - width
    await refresh(connection)
    await nothing_older(connection, keep_from)
    await check(connection, since(filled, keep_from))


async def test_more_rows_of_the_columnstore_than_timescaledbs_limit_are_deleted(
    db: Database, connection: asyncpg.Connection
) -> None:
    start = NOW.replace(hour=0) - 17 * DAY  # TimescaleDB's weeks begin on Thursdays: this is one chunk
    await connection.execute(
        "INSERT INTO video_stats_log SELECT 'video' || v, $1::timestamptz + make_interval(hours => h), h "
        "FROM generate_series(1, 700) AS v, generate_series(0, 167) AS h",
        start,
    )  # fmt: skip
    await refresh(connection)
    await compress(connection, "video_stats_log", *VIEWS)
    limit = int(await connection.fetchval("SHOW timescaledb.max_tuples_decompressed_per_dml_transaction"))
    (chunk,) = await connection.fetch("SELECT show_chunks('video_stats_log')::text AS name")
    assert await connection.fetchval(f"SELECT count(*) FROM {chunk['name']}") > limit > 0
    keep_from = start + 5 * HOUR
    done = await maintain(db, NOW, keep_from, batch=5000)
    assert done.deleted == 700 * 5
    await nothing_older(connection, keep_from)
    ids = [f"video{number}" for number in range(1, 700)]
    async with connection.transaction():
        await connection.fetchval(sql("snapshots/common/lift_decompression_limit"))
        await connection.execute("DELETE FROM video_stats_log WHERE video_id = ANY ($1)", ids)
    assert await erase(connection, ids) == 699 * (163 + 7)
    assert await counts(connection) == {"video_stats_hourly": 163, "video_stats_daily": 7}


async def test_an_erased_video_is_in_no_aggregate(connection: asyncpg.Connection, filled: Series) -> None:
    ids = sorted(filled)[::3]
    rest = {video: samples for video, samples in filled.items() if video not in ids}

    async def kept_of_them() -> int:
        tables = [await kept(connection, view) for view in VIEWS]
        count = "SELECT count(*) FROM {} WHERE video_id = ANY ($1)"
        return sum([await connection.fetchval(count.format(table), ids) for table in tables])

    await connection.execute("DELETE FROM video_stats_log WHERE video_id = ANY ($1)", ids)
    before = await kept_of_them()
    assert before > 0
    assert await erase(connection, ids) == before
    assert await kept_of_them() == 0
    await check(connection, rest)
    await refresh(connection)
    await check(connection, rest)
    assert await erase(connection, ids) == 0


async def test_erasure_waits_for_a_running_refresh(db: Database, connection: asyncpg.Connection) -> None:
    """It may have read the snapshots before they were deleted, and would write what comes of them afterwards."""
    async with closing(db.connect()) as other, other.transaction():
        await other.execute(f"DELETE FROM {await kept(connection, 'video_stats_daily')}")
        await connection.execute("SET lock_timeout = '50ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await erase(connection, ["one"])
    await connection.execute("RESET lock_timeout")
    assert await erase(connection, ["one"]) == 0
