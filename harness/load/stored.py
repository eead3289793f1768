"""What the load run reads of the database to judge its agents."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import asyncpg

from atlas import policy

_EARLY = """
SELECT video_id AS id, observed_at, previous_at
FROM (
    SELECT log.video_id, log.observed_at,
        lag(log.observed_at) OVER (PARTITION BY log.video_id ORDER BY log.observed_at) AS previous_at,
        coalesce(videos.published_at, videos.first_seen_at) AS born, videos.duration = interval '0' AS pending
    FROM video_stats_log AS log JOIN videos ON videos.id = log.video_id
) AS snapshot
WHERE observed_at >= $1::timestamptz
    AND observed_at - previous_at < least(CASE WHEN pending THEN $5::interval END, coalesce(
        (SELECT zone.pause FROM unnest($2::interval[], $3::interval[]) AS zone (below, pause)
         WHERE previous_at - born < zone.below ORDER BY zone.below LIMIT 1),
        $4::interval))
ORDER BY observed_at
"""
_LEASES = """
SELECT leased_by AS shard, count(*) AS leased
FROM (
    SELECT leased_by FROM videos WHERE leased_until >= now() UNION ALL
    SELECT leased_by FROM search_queue WHERE leased_until >= now()
) AS leases
GROUP BY leased_by
ORDER BY leased_by
"""
_BIRTHS = "SELECT id, coalesce(published_at, first_seen_at) AS born FROM videos WHERE id = ANY ($1::text[])"


async def early_snapshots(connection: asyncpg.Connection, since: datetime) -> list[tuple[str, datetime, datetime]]:
    """Return snapshots that came sooner after the one before than the schedule allows: work that two shards both did.

    Reads the whole log. Each is (video id, its schedule time, that of the one before).
    """
    zones = [zone for zone in policy.ZONES if zone.below is not None]
    below, intervals = [zone.below for zone in zones], [zone.interval for zone in zones]
    rows = await connection.fetch(
        _EARLY, since, below, intervals, policy.ZONES[-1].interval, policy.ZONES[1].interval
    )  # fmt: skip
    return [(row["id"], row["observed_at"], row["previous_at"]) for row in rows]


async def active_leases(connection: asyncpg.Connection) -> dict[str, int]:
    """Return how many rows each shard leases now. Reads two tables whole."""
    return {row["shard"]: row["leased"] for row in await connection.fetch(_LEASES)}


async def births(connection: asyncpg.Connection, ids: Iterable[str]) -> dict[str, datetime]:
    """Return from when the age of each of these videos counts; ids that are not stored are left out."""
    return {row["id"]: row["born"] for row in await connection.fetch(_BIRTHS, list(ids))}
