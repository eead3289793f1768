"""The latency of claiming 50 due videos, by the size of the table."""

from __future__ import annotations

import statistics
import time

from atlas.adapters.maia import MaiaDAO
from atlas.database import database

__all__ = ["claim_latency"]

# nine of ten are not due, three of ten of these stand in earlier zones: a real table after some weeks
_FILL = """
INSERT INTO videos (id, title, published_at, first_seen_at, zone, due_at, enriched_at)
SELECT 'v' || lpad(n::text, 10, '0'), 'title', now() - interval '9 days', now() - interval '9 days',
    CASE WHEN n % 10 < 3 THEN 1 + n % 2 ELSE 3 END,
    now() + CASE WHEN n % 10 = 9 THEN -1 ELSE 1 END * interval '1 hour' * (1 + n % 997) / 100, now()
FROM generate_series($1::bigint, $2::bigint) AS n
"""


async def claim_latency(sizes: tuple[int, ...], claims: int = 60) -> dict[int, tuple[float, float]]:
    """Size → (median, 99th percentile) in milliseconds of ``claims`` claims of 50, each given back."""
    figures = {}
    filled = 0
    for size in sizes:
        await database.fetch(_FILL, filled + 1, size)
        filled = size
        await database.fetch("ANALYZE videos")
        dao = MaiaDAO("bench")
        times = []
        for _ in range(claims):
            began = time.perf_counter()
            rows = await dao.fetch_tracker_targets(50)
            times.append((time.perf_counter() - began) * 1000)
            assert len(rows) == 50
            await dao.release_claims()
        cuts = statistics.quantiles(times, n=100)
        figures[size] = statistics.median(times), cuts[98]
    return figures
