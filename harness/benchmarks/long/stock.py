"""A table of videos that are all due, as after days of work."""

from __future__ import annotations

import asyncpg

__all__ = ["MOST", "fill"]

MOST = 1_000_000
"""The ids of the canned API have six digits."""

# Ids come in no order, as YouTube's do. Videos that were found together stand together and are due together, unless
# they are to be scattered: then the next one due is anywhere in the table. Nothing is archived, as where the vault is
# off, so that every partial index holds every video that it could.
_FILL = """
INSERT INTO videos (id, channel_id, title, published_at, tags, category_id, duration, first_seen_at, last_updated_at,
    zone, due_at, enriched_at)
SELECT 'bench' || lpad((n * 7368787 % $1)::text, 6, '0'), 'UCbench' || lpad((n % 500)::text, 17, '0'),
    'A video of the benchmark, number ' || n, now() - interval '10 days',
    ARRAY(SELECT 'how to ' || (n * 7 + tag * tag) % 500 FROM generate_series(1, 10) AS tag), 22, interval '4 minutes',
    now() - interval '9 days' + n * interval '80 milliseconds', now() - interval '1 day',
    3, now() - interval '2 hours' + CASE WHEN $2 THEN n * 4271719 % $1 ELSE n END * interval '5 milliseconds',
    now() - interval '9 days' + n * interval '80 milliseconds'
FROM generate_series(0::bigint, $1::bigint - 1) AS n
"""
_CHANNELS = """
INSERT INTO channels (id, title, first_seen_at, updated_at)
SELECT 'UCbench' || lpad(n::text, 17, '0'), 'Channel ' || n, now(), now() FROM generate_series(0, 499) AS n
"""


async def fill(connection: asyncpg.Connection, videos: int, *, scattered: bool = False) -> None:
    """Makes so many videos, vacuumed and on disk.

    Args:
        connection: of the owner of the tables, which must be empty.
        videos: at most ``MOST``, and a power of ten, which is what keeps the ids apart.
        scattered: whether neighbours on disk are due at different times.
    """
    await connection.execute(_CHANNELS)
    await connection.execute(_FILL, videos, scattered, timeout=600)
    for statement in ("VACUUM (ANALYZE) videos", "VACUUM (ANALYZE) channels", "CHECKPOINT"):
        await connection.execute(statement, timeout=600)
