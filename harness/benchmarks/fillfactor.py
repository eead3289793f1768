"""``python -m harness.benchmarks.fillfactor``: what room on the pages of ``videos`` is worth.

For each fillfactor: a table of videos that were found together, as they are after their discovery, stand together on
disk and are due together. They are read several times, a day apart, 50 at a time as a Tracker does, and vacuumed after
every tenth of the table.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
from rich.console import Console
from rich.table import Table

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import database
from atlas.models.rows import Presence, VideoUpdate
from harness.benchmarks.long.stock import fill
from harness.benchmarks.long.wear import size_of_videos, wear
from harness.benchmarks.world import fresh_database, machine

__all__ = ["Rounds", "rounds_with"]

_CALL = 50  # videos
_CHANGE = "ALTER TABLE videos SET (autovacuum_enabled = off, fillfactor = {})"


@dataclass(frozen=True)
class Rounds:
    """What reading all videos some times came to.

    Attributes:
        sizes: bytes of the table's rows, for each video: before the first round and after each.
        hot: share of the claims that stayed on their page, in each round.
        wal: bytes of write-ahead log for each video's claim and update, in each round, vacuum included.
    """

    sizes: list[float]
    hot: list[float]
    wal: list[float]


async def rounds_with(fillfactor: int, videos: int, rounds: int) -> Rounds:
    """Measures one fillfactor in a database of its own. ``videos``: a power of ten."""
    async with fresh_database():
        connection = await database.connect()
        try:
            await connection.execute(_CHANGE.format(fillfactor))
            await fill(connection, videos)
            found = Rounds([await size_of_videos(connection) / videos], [], [])
            for number in range(rounds):
                before = await wear(connection)
                await _read_all(connection, videos, number)
                after = await wear(connection)
                found.sizes.append(await size_of_videos(connection) / videos)
                found.hot.append((after["updated_hot"] - before["updated_hot"]) / videos)
                found.wal.append((after["wal_bytes"] - before["wal_bytes"]) / videos)
            return found
        finally:
            await connection.close()


async def _read_all(connection: asyncpg.Connection, videos: int, day: int) -> None:
    now = datetime.now(UTC)
    clock = f"1x@{now.isoformat()}={(now + timedelta(hours=25 * day)).isoformat()}"
    dao, done, vacuumed = MaiaDAO("benchmark"), 0, 0
    with settings.override(atlas_clock=clock):
        while batch := await dao.fetch_tracker_targets(_CALL):
            updates = [VideoUpdate(row["id"], Presence.PRESENT, 10_000, 500, 20) for row in batch]
            done += await dao.update_video_stats_batch(updates)
            if done - vacuumed >= videos // 10:
                await connection.execute("VACUUM videos")
                vacuumed = done
    assert done == videos, f"{done} of {videos} were due"
    # other connections tell what they did when they have had nothing to do for a moment
    await database.fetch("SELECT pg_stat_force_next_flush()")


async def main(fillfactors: list[int], videos: int, rounds: int) -> None:
    """Measures and prints."""
    console = Console(width=120)
    console.print(f"{machine()}; {videos:,} videos, in rounds 1 to {rounds}")
    table = Table("fillfactor", "MB a million: at first, in the end", "claims that are HOT", "log of a video, kB")
    for fillfactor in fillfactors:
        found = await rounds_with(fillfactor, videos, rounds)
        table.add_row(
            str(fillfactor), f"{found.sizes[0]:.0f}, {found.sizes[-1]:.0f}",
            ", ".join(f"{share:.0%}" for share in found.hot), ", ".join(f"{wal / 1e3:.1f}" for wal in found.wal),
        )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.fillfactor", description=__doc__)
    parser.add_argument("--fillfactors", default="100,90,80,70,50", help="default: %(default)s")
    parser.add_argument("--videos", type=int, default=10_000, help="a power of ten (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=4, help="default: %(default)s")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    asyncio.run(main([int(each) for each in asked.fillfactors.split(",")], asked.videos, asked.rounds))
