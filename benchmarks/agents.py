"""Hunter and Tracker in one process, everything stored, against the API of canned answers in another."""

from __future__ import annotations

import time

from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import database
from benchmarks.world import api
from maia.hunter import run_hunter_cycle
from maia.session import agent_session
from maia.tracker import run_tracker_cycle

__all__ = ["hunter_speed", "tracker_speed"]

_POOL = '{"hunting": ["bench-hunting"], "tracking": ["bench-tracking"]}'
_SEEDS = ("python", "music", "football", "minecraft", "cooking", "travel", "guitar", "space", "history", "fitness")


async def hunter_speed(latency: float, *, batch: int, cycles: int) -> tuple[float, float]:
    """Searches a second and new videos a second, over ``cycles`` cycles of ``batch`` queries."""
    await database.fetch("TRUNCATE search_queue, videos, channels, video_stats_log")
    with (
        api(latency) as url,
        settings.override(
            youtube_api_base_url=url, youtube_api_key_pool_json=_POOL, hunter_published_within_hours=24.0 * 14
        ),
    ):
        await QueueDAO().add(_SEEDS)
        async with agent_session("hunter"):
            await run_hunter_cycle(len(_SEEDS))  # fills the queue with tags
            began, searches, new = time.perf_counter(), 0, 0
            for _ in range(cycles):
                stats = await run_hunter_cycle(batch)
                searches += stats["searches"]
                new += stats["videos_new"]
            seconds = time.perf_counter() - began
    return searches / seconds, new / seconds


async def tracker_speed(latency: float, *, batch: int, cycles: int) -> float:
    """Videos updated a second, over ``cycles`` cycles of ``batch`` videos of those that the Hunter has found."""
    with api(latency) as url, settings.override(youtube_api_base_url=url, youtube_api_key_pool_json=_POOL):
        async with agent_session("tracker"):
            await _all_due()
            await run_tracker_cycle(batch)
            seconds, updated = 0.0, 0
            for _ in range(cycles):
                await _all_due()
                began = time.perf_counter()
                stats = await run_tracker_cycle(batch)
                seconds += time.perf_counter() - began
                updated += stats["updated"]
    return updated / seconds


async def _all_due() -> None:
    await database.fetch("UPDATE videos SET due_at = now() - interval '1 second' WHERE due_at IS NOT NULL")
