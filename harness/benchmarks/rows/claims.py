"""Row 3: what a claim costs, by the size of the table: of 50 due videos, and of 10 topics.

One database for each size, all on one server; claims go round the sizes, one at a time, so that the machine's moods
meet all of them. Nine of ten rows are not due. Three of ten stand before the due ones without being due: videos in the
zones that are asked first, topics with a higher priority. Ten videos that one search found lie together and are due
together, as they stay when they are always updated in place by the same call; beyond that, when a row is due says
nothing of where it lies. Of topics each lies on a page of its own.

A claim is timed as an agent makes it, by ``fetch_tracker_targets`` and ``fetch_hunter_batch``, commit included. Between
two claims, untimed, what was claimed is finished as an agent does (snapshots, due times, the end of the lease) and then
put at the end of what is due, so that a small table does not run dry: every claim leaves dead rows and dead index
entries where the next one begins. Nothing is vacuumed but by autovacuum.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import Database, database
from atlas.models.rows import Presence, TopicStatus, VideoUpdate
from atlas.schema.migrate import migrate
from harness.benchmarks.comparing import Series
from harness.benchmarks.lines import Goal, Line
from harness.benchmarks.world import fresh_database

_VIDEOS, _TOPICS = 50, 10
_LEASED = 16  # batches that other shards hold, in front of what is claimed
_P50, _P99 = Goal.at_most(1.5), Goal.at_most(3)

_FOUND_TOGETHER = 10


def _spread(number: str) -> str:
    """Return an interval within a day; that of a neighbour is far away: times are not in the order of the disk."""
    return f"make_interval(secs => ({number} * 2654435761 % 86400000000) / 1e6)"


_FILL_VIDEOS = f"""
INSERT INTO videos (id, channel_id, title, published_at, category_id, duration, first_seen_at, last_updated_at, zone,
    due_at, enriched_at, archived_at)
SELECT 'v' || lpad(n::text, 10, '0'), 'channel' || lpad((n % 99991)::text, 17, '0'), 'A title of usual length, ' || n,
    at - interval '9 days', n % 30, interval '5 minutes', at - interval '9 days', at - interval '1 day',
    CASE WHEN search % 10 < 3 THEN 1 + search % 2 ELSE 3 END,
    CASE WHEN search % 10 = 9 THEN at - {_spread("search")} ELSE at + {_spread("search")} + interval '1 hour' END,
    at - interval '9 days', at - interval '9 days'
FROM generate_series(1, $1::bigint) AS n, LATERAL (SELECT n / {_FOUND_TOGETHER} AS search, now() AS at) AS moment
"""
_FILL_TOPICS = f"""
INSERT INTO search_queue (query_term, status, priority, source, mentions, added_at, last_searched_at, due_at)
SELECT 'a query ' || lpad(n::text, 10, '0'),
    CASE WHEN n % 10 = 9 THEN 'active' WHEN n % 10 = 8 THEN 'paused' ELSE 'waiting' END,
    CASE WHEN n % 10 < 3 THEN 1000 + n % 100 ELSE n % 20 END, 'tag', 1, at - interval '9 days',
    CASE WHEN n % 50 <> 9 THEN at - {_spread("n")} END,
    CASE WHEN n % 10 < 8 THEN at + {_spread("n")} + interval '1 hour' END
FROM generate_series(1, $1::bigint) AS n, (SELECT now() AS at) AS moment
"""
_FILLS = {"videos": _FILL_VIDEOS, "search_queue": _FILL_TOPICS}
_INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
WHERE indrelid = $1::text::regclass AND indexrelid NOT IN (SELECT conindid FROM pg_constraint)
"""
_VIDEOS_DUE_AGAIN = "UPDATE videos SET due_at = now() WHERE id = ANY ($1::text[])"
_TOPICS_DUE_AGAIN = "UPDATE search_queue SET due_at = now() - interval '1 second' WHERE id = ANY ($1::bigint[])"


@dataclass
class _Table:
    """The two tables of one size, in a database of its own."""

    size: int
    store: Database
    dao: MaiaDAO = field(init=False)

    def __post_init__(self) -> None:
        self.dao = MaiaDAO("bench", self.store)

    async def claim_videos(self) -> float:
        """Return the milliseconds of a claim of 50; they are finished afterwards."""
        began = time.perf_counter()
        rows = await self.dao.fetch_tracker_targets(_VIDEOS)
        took = time.perf_counter() - began
        assert len(rows) == _VIDEOS
        updates = [VideoUpdate(row["id"], Presence.PRESENT, 1000, 100, 10) for row in rows]
        assert await self.dao.update_video_stats_batch(updates) == len(rows)
        await self.store.fetch(_VIDEOS_DUE_AGAIN, [row["id"] for row in rows])
        return took * 1000

    async def claim_topics(self) -> float:
        """Return the milliseconds of a claim of 10, with the promotion before it; they are finished afterwards."""
        began = time.perf_counter()
        rows = await self.dao.fetch_hunter_batch(_TOPICS)
        took = time.perf_counter() - began
        assert len(rows) == _TOPICS
        for row in rows:
            assert await self.dao.update_search_state(row["id"], None, 50, TopicStatus.WAITING, new=1)
        await self.store.fetch(_TOPICS_DUE_AGAIN, [row["id"] for row in rows])
        return took * 1000


@contextlib.asynccontextmanager
async def _tables(sizes: Sequence[int]) -> AsyncIterator[tuple[list[_Table], dict[str, float]]]:
    """Yield the tables of each size, filled and as autovacuum would leave them, and the seconds that it took."""
    async with fresh_database(), contextlib.AsyncExitStack() as opened:
        address = await database.dsn()
        tables, seconds = list[_Table](), dict[str, float]()
        await _let_write_ahead("16GB")
        for size in sizes:
            began, name = time.perf_counter(), f"rows_{size}"
            await database.fetch(f"CREATE DATABASE {name}")
            store = Database()
            dsn = urlsplit(address)._replace(path=f"/{name}").geturl()
            with settings.override(database_url=dsn):
                await migrate(store)
                await opened.enter_async_context(store.session())
                fills = (_fill_table(store, table, fill, size) for table, fill in _FILLS.items())
                await asyncio.gather(*fills)
            tables.append(_Table(size, store))
            seconds[f"{size:,}"] = time.perf_counter() - began
        await _let_write_ahead("1GB")
        await database.fetch("CHECKPOINT")
        yield tables, seconds


async def _fill_table(store: Database, table: str, fill: str, size: int) -> None:
    connection = await store.connect()
    try:
        await connection.execute("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")
        # indexes made afterwards: much quicker, and what they index is the same
        indexes = await connection.fetch(_INDEXES, table)
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['name']}")
        await connection.execute(fill, size, timeout=600)
        for index in indexes:
            await connection.execute(index["definition"], timeout=600)
        await connection.execute(f"VACUUM ANALYZE {table}", timeout=600)
    finally:
        await connection.close()


async def _let_write_ahead(size: str) -> None:
    """Set how much the server logs between two checkpoints: few while it is filled, the default for claims."""
    await database.fetch(f"ALTER SYSTEM SET max_wal_size = '{size}'")
    await database.fetch("SELECT pg_reload_conf()")


async def _in_turn(
    tables: Sequence[_Table], claim: Callable[[_Table], Awaitable[float]], *, runs: int, claims: int
) -> dict[int, list[list[float]]]:
    """Return size → run → milliseconds of each of its claims."""
    for table in tables:
        for _ in range(10):  # plans, caches
            await claim(table)
    taken: dict[int, list[list[float]]] = {table.size: [] for table in tables}
    for _ in range(runs):
        for table in tables:
            taken[table.size].append([])
        for turn in range(claims):
            for table in tables if turn % 2 == 0 else reversed(tables):
                taken[table.size][-1].append(await claim(table))
    return taken


def _lines(what: str, taken: Mapping[int, list[list[float]]], details: Mapping[str, object]) -> list[Line]:
    """Return two lines for each size but the first, with which they are compared."""
    base, *others = taken
    lines = list[Line]()
    for size in others:
        for name, share, goal in (("p50", 50, _P50), ("p99", 99, _P99)):
            figure, limit = _cut(taken[size], share), _cut(taken[base], share)
            by_run = Series([_cut([run], share) for run in taken[size]])
            line = Line(3, f"{what} out of {size:,}, {name}", figure, "ms", f"ms out of {base:,}", limit)
            more = {"runs": by_run.values, **details}
            lines.append(replace(line, judged=figure / limit, goal=goal, noise=by_run.noise, details=more))
    return lines


def _cut(runs: Sequence[Sequence[float]], share: int) -> float:
    """Return the percentile of all claims."""
    return statistics.quantiles([ms for run in runs for ms in run], n=100, method="inclusive")[share - 1]


async def _behind_leases(tables: Sequence[_Table], *, runs: int, claims: int) -> list[Line]:
    """Measure the same where the first rows that a claim meets are leased by others."""
    for table in tables:
        holder = MaiaDAO("other", table.store)
        for _ in range(_LEASED):
            assert len(await holder.fetch_tracker_targets(_VIDEOS)) == _VIDEOS
    taken = await _in_turn(tables, _Table.claim_videos, runs=runs, claims=claims)
    return _lines(f"the same behind {_LEASED * _VIDEOS} leased videos", taken, {})


async def measure(*, runs: int, quick: bool) -> list[Line]:
    """Measure row 3."""
    sizes = (10_000, 20_000) if quick else (10_000, 100_000, 1_000_000, 5_000_000)
    claims = 3 if quick else 80
    async with _tables(sizes) as (tables, seconds):
        details = {"seconds to fill": seconds, "claims": runs * claims}
        videos = await _in_turn(tables, _Table.claim_videos, runs=runs, claims=claims)
        topics = await _in_turn(tables, _Table.claim_topics, runs=runs, claims=claims)
        behind = await _behind_leases([tables[0], tables[-1]], runs=runs, claims=max(claims // 2, 2))
    return [
        *_lines(f"claim of {_VIDEOS} due videos", videos, details),
        *_lines(f"claim of {_TOPICS} topics", topics, details),
        *behind,
    ]
