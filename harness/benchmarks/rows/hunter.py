"""Row 5: one shard of the Hunter against an API that answers at once, beside the same by hand.

Every search finds 50 videos that are new, so that all of them are enriched, stored and archived.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from atlas.config import settings
from atlas.database import database
from harness.benchmarks.bare.hunter import hunt
from harness.benchmarks.bare.tools import bare
from harness.benchmarks.beside import Compared, Run, compare
from harness.benchmarks.canned import RESULTS
from harness.benchmarks.lines import Line
from harness.benchmarks.tables import due_queries
from harness.benchmarks.world import POOL, api, fresh_database
from maia.agents.session import agent_session
from maia.hunter import run_hunter_cycle

__all__ = ["measure"]

_BATCH = 10


async def measure(*, runs: int, quick: bool) -> list[Line]:
    """Searches a second and CPU a search, in cycles of 10, the default."""
    async with fresh_database():
        with tempfile.TemporaryDirectory(prefix="maia-bench-vault-") as folder:
            compared = await _compared(Path(folder), cycles=3 if quick else 20, runs=runs)
    what = f"Hunter, one shard, {_BATCH} searches a cycle, wholly stored and archived"
    return compared.lines(5, what, "searches", (1, "search"), least=0.60)


async def _compared(folder: Path, cycles: int, runs: int) -> Compared:
    async def cycle() -> int:
        stats = await run_hunter_cycle(_BATCH)
        searches: int = stats["searches"]
        assert {stats[of] for of in ("videos_new", "videos_enriched", "archived")} == {RESULTS * searches}, stats
        return searches

    async def maia(run: Run) -> float:
        with (
            api(0, new=RESULTS) as url,
            settings.override(
                youtube_api_base_url=url,
                youtube_api_key_pool_json=POOL,
                vault_provider="local",
                vault_path=folder / "maia",
            ),
        ):
            async with agent_session("hunter"):
                return await run(cycle)

    async def by_hand(run: Run) -> float:
        with api(0, new=RESULTS) as url:
            async with bare(await database.dsn(), url) as tools:
                return await run(lambda: hunt(tools, _BATCH, folder / "bare"))

    async def prepare(searches: int) -> None:
        for side in ("maia", "bare"):
            shutil.rmtree(folder / side, ignore_errors=True)
        await due_queries(searches)

    return await compare({"maia": maia, "bare": by_hand}, prepare=prepare, cycles=cycles, a_cycle=_BATCH, runs=runs)
