"""Rows for what is kept and what is not, as old as a test wants them; and runs of the Janitor over them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from atlas.database import Database
from atlas.quota.buckets import quota_day
from maia.agents.janitor_session import COUNTS
from maia.janitor import run_janitor_cycle

__all__ = [
    "DAY", "counts", "everything", "keep", "put_channel", "put_notes", "put_query", "put_run", "put_snapshots",
    "put_video", "values",
]  # fmt: skip

DAY = timedelta(days=1)

_VIDEO = """
    INSERT INTO videos (id, channel_id, title, published_at, tags, category_id, duration, first_seen_at,
        last_updated_at, zone, due_at, enriched_at, archived_at, retired_at, leased_until, lease_token, leased_by)
    VALUES ($1, $2, 'a title', $3, ARRAY['a tag'], 22, interval '5 min', $3, $4, 3, $5, $6, $7, $8, $9,
        CASE WHEN $9::timestamptz IS NULL THEN NULL ELSE gen_random_uuid() END,
        CASE WHEN $9::timestamptz IS NULL THEN NULL ELSE 'tracker 0/1' END)
"""


async def put_video(
    db: Database,
    id_: str,
    now: datetime,
    *,
    seen: float,
    enriched: float | None = None,
    read: float | None = None,
    archived: float | None = None,
    retired: float | None = None,
    leased_until: datetime | None = None,
    channel: str | None = None,
) -> None:
    """A video: found, enriched, read, archived and retired so many days before now; None: never."""

    def ago(days: float | None) -> datetime | None:
        return None if days is None else now - days * DAY

    due = None if read is None or retired is not None else now + timedelta(hours=5)
    await db.fetch(
        _VIDEO, id_, channel, ago(seen), ago(read), due, ago(enriched), ago(archived), ago(retired), leased_until
    )


async def put_snapshots(db: Database, id_: str, now: datetime, *days: float) -> None:
    """A snapshot of a video so many days before now, each."""
    await db.fetch(
        "INSERT INTO video_stats_log (video_id, observed_at, views)"
        " SELECT $1, at, 7 FROM unnest($2::timestamptz[]) AS at",
        id_,
        [now - ago * DAY for ago in days],
    )


async def put_channel(db: Database, id_: str, now: datetime) -> None:
    await db.fetch("INSERT INTO channels VALUES ($1, 'a channel', $2, $2)", id_, now)


async def put_query(
    db: Database,
    term: str,
    now: datetime,
    *,
    added: float,
    searched: float | None = None,
    source: str = "tag",
    status: str = "active",
    leased_until: datetime | None = None,
) -> None:
    """A query: added and searched so many days before now."""
    await db.fetch(
        "INSERT INTO search_queue (query_term, priority, source, status, added_at, last_searched_at, leased_until)"
        " VALUES ($1, 1, $2, $3, $4, $5, $6)",
        term, source, status, now - added * DAY, None if searched is None else now - searched * DAY, leased_until,
    )  # fmt: skip


async def values(db: Database, statement: str, *arguments: Any) -> list[Any]:
    """The first column."""
    return [row[0] for row in await db.fetch(statement, *arguments)]


TABLES = (
    "videos", "video_stats_log", "channels", "search_queue", "events", "runs", "api_calls", "key_suspensions",
    "api_keys", "count_freezes", "breakouts", "video_growth", "growth_bands",
    "growth_levels", "notifications",
)  # fmt: skip


async def everything(db: Database) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    return {table: sorted(await values(db, f"SELECT t::text FROM {table} AS t")) for table in TABLES}


async def put_notes(db: Database, now: datetime, ago: timedelta) -> None:
    """An event, a run, calls, a suspension that ended, a key, a freeze and a message, each so long ago."""
    at, real = now - ago, datetime.now(UTC) - ago
    key = f"key {ago.days}"
    calls = "INSERT INTO api_calls (day, fingerprint, bucket, counter_shard) VALUES ($1, $2, 'units', 0)"
    await db.fetch("INSERT INTO events (at, type) VALUES ($1, 'churn')", at)
    await db.fetch(
        "INSERT INTO runs (id, agent, started_at, clock) VALUES (gen_random_uuid(), 'hunter', $1, '1x')", real
    )
    await db.fetch(calls, quota_day(at), key)
    await db.fetch("INSERT INTO key_suspensions VALUES ($2, 'units', 'spent', $1, $1)", at, key)
    await db.fetch("INSERT INTO api_keys VALUES ($2, NULL, $1)", at, key)
    frozen = "INSERT INTO count_freezes (started_at, ended_at, videos, channels) VALUES ($1, $2, 1, 1)"
    await db.fetch(frozen, at - 3 * DAY, at)
    await db.fetch("INSERT INTO notifications (type, subject, notified_at) VALUES ('churn', $2, $1)", real, key)
    rising = "INSERT INTO breakouts (video_id, detected_at, score, views, views_per_hour, peak_views_per_hour)"
    await db.fetch(f"{rising} VALUES ($2, $1, 7, 5, 60, 60)", at, key)
    growth = "INSERT INTO video_growth (video_id, observed_at, kind, views, views_per_hour) VALUES ($2, $1, 1, 5, 60)"
    await db.fetch(growth, at, key)
    bands = (
        "INSERT INTO growth_bands (kind, band, rate, slope, spread, pairs, learnt_at) VALUES (1, $2, 0, 0, 0, 0, $1)"
    )
    await db.fetch(bands, at, len(await db.fetch("SELECT FROM growth_bands")))
    levels = "INSERT INTO growth_levels VALUES (1, $2, 0, 0, 0, $1)"
    await db.fetch(levels, at, len(await db.fetch("SELECT FROM growth_levels")))


async def put_run(
    db: Database,
    days: float,
    *,
    agent: str = "janitor",
    outcome: str = "ok",
    stats: str = "{}",
    exit_code: int | None = None,
) -> None:
    """A run that began so many days ago, in real time."""
    await db.fetch(
        "INSERT INTO runs (id, agent, started_at, outcome, stats, exit_code, clock)"
        " VALUES (gen_random_uuid(), $1, now() - $2 * interval '1 day', $3, $4::text::jsonb, $5, '1x')",
        agent, days, outcome, stats, exit_code,
    )  # fmt: skip


_WORDS = {"cut_short", "outcome", "reason", "error", "dry_run", "expired"}


def counts(stats: dict[str, Any]) -> dict[str, int]:
    """What was done: the counts that are not 0, but for partitions, which depend on the server."""
    assert set(stats) - _WORDS == set(COUNTS)
    return {name: n for name, n in stats.items() if n and name not in _WORDS and not name.startswith("partitions")}


async def keep(**options: Any) -> dict[str, int]:
    stats = await run_janitor_cycle(**options)
    assert stats["outcome"] in {"ok", "idle"}, stats
    return counts(stats)
