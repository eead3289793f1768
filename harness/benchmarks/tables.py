"""The contents of the tables when a measurement starts: the same each time, freshly written and analysed."""

from __future__ import annotations

from atlas.adapters.queue import QueueDAO
from atlas.database import database

_EMPTY = "TRUNCATE search_queue, videos, channels, video_stats_log, api_calls, video_growth, breakouts"
_DUE = """
INSERT INTO videos (id, channel_id, title, published_at, tags, first_seen_at, last_updated_at, zone, due_at,
    enriched_at)
SELECT 'bench' || lpad(n::text, 6, '0'), 'UCbench' || n % 500, 'A video of the benchmark', now() - age,
    '{one,two,three}', now() - age, now() - interval '1 day',
    CASE WHEN age < interval '1 day' THEN 1 WHEN age < interval '7 days' THEN 2 ELSE 3 END,
    now() - interval '1 hour' * (n % 100) / 10, now() - interval '1 day'
FROM generate_series(1, $1) AS n, LATERAL (SELECT interval '1 hour' * (n % 400) AS age) AS of
"""


async def no_videos() -> None:
    """Empty all that an agent fills."""
    await database.fetch(_EMPTY)


async def due_videos(number: int) -> None:
    """Store only videos of all zones, all due and enriched."""
    await no_videos()
    await database.fetch(_DUE, number)
    for table in ("videos", "video_stats_log"):
        await database.fetch(f"VACUUM (ANALYZE) {table}")
    await database.fetch("CHECKPOINT")


async def due_queries(number: int) -> None:
    """Store only queries that were never searched."""
    await no_videos()
    await QueueDAO().add(f"query {n}" for n in range(number))
    await database.fetch("VACUUM (ANALYZE) search_queue")
    await database.fetch("CHECKPOINT")
