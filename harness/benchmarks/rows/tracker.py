"""Row 1: one shard of the Tracker against an API that answers at once, beside the same by hand."""

from __future__ import annotations

from atlas.config import settings
from atlas.database import database
from harness.benchmarks.bare.tools import bare
from harness.benchmarks.bare.tracker import track
from harness.benchmarks.beside import Compared, Run, compare
from harness.benchmarks.lines import Line
from harness.benchmarks.tables import due_videos
from harness.benchmarks.world import POOL, api, fresh_database
from maia.agents.session import agent_session
from maia.tracker import run_tracker_cycle

__all__ = ["measure"]


async def measure(*, runs: int, quick: bool) -> list[Line]:
    """Videos a second and CPU, in cycles of 1,000 videos (20 calls at once) and of 50 (one call)."""
    lines = []
    for batch, cycles in ((1_000, 2), (50, 4)) if quick else ((1_000, 20), (50, 250)):
        async with fresh_database():
            with api(0) as url, settings.override(youtube_api_base_url=url, youtube_api_key_pool_json=POOL):
                compared = await _compared(url, batch, cycles, runs)
        what = f"Tracker, one shard, {batch:,} videos a cycle"
        lines += compared.lines(1, what, "videos", (1_000, "1,000 videos"), least=0.80)
    return lines


async def _compared(url: str, batch: int, cycles: int, runs: int) -> Compared:
    async def cycle() -> int:
        updated: int = (await run_tracker_cycle(batch))["updated"]
        return updated

    async def maia(run: Run) -> float:
        async with agent_session("tracker"):
            return await run(cycle)

    async def by_hand(run: Run) -> float:
        async with bare(await database.dsn(), url) as tools:
            return await run(lambda: track(tools, batch))

    return await compare({"maia": maia, "bare": by_hand}, prepare=due_videos, cycles=cycles, a_cycle=batch, runs=runs)
