"""``python -m harness.benchmarks.export``: how long an export takes, and how much memory, by the size of the table."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from atlas.config import settings
from atlas.database import database
from harness.benchmarks.world import fresh_database, machine

_SIZES = (10_000, 300_000, 1_000_000)
_TABLES = ("videos", "video_stats_log", "video_velocity")
_FILL = (
    """
    INSERT INTO videos (id, channel_id, title, published_at, tags, category_id, duration, first_seen_at, zone)
    SELECT 'video' || lpad(n::text, 7, '0'), 'channel' || n % 1000, 'A title of some length, with words in it ' || n,
        now() - n * interval '1 minute', ARRAY['one tag', 'another tag', 'a third tag ' || n], 28,
        n % 600 * interval '1 second', now(), 3
    FROM generate_series(1, $1::int) AS n
    """,
    """
    INSERT INTO video_stats_log (video_id, observed_at, views, likes)
    SELECT 'video' || lpad(n::text, 7, '0'), now(), n * 7, n FROM generate_series(1, $1::int) AS n
    """,
)


# the peak of the program itself, in MiB: ru_maxrss would begin with that of the process that started it
_PEAK = """
import re
from pathlib import Path
from atlas.cli import main
try:
    main()
finally:
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def export(table: str, form: str, file: Path) -> tuple[float, int]:
    """Runs it as a child process; its seconds, and its peak of memory in MiB. Linux only."""
    dsn = settings.database_url
    command = [sys.executable, "-c", _PEAK, "export", "--table", table, "--format", form, "--output", str(file)]
    environment = {**os.environ, "DATABASE_URL": dsn.get_secret_value() if dsn else ""}
    began = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return time.monotonic() - began, int(done.stdout)


async def main(sizes: tuple[int, ...]) -> None:
    console = Console()
    console.print(f"{machine()}; PostgreSQL shares these cores; one run each")
    with tempfile.TemporaryDirectory(prefix="maia-bench-") as folder:
        async with fresh_database():
            shown = Table("table", "format", "rows", "seconds", "peak memory", "file")
            for size in sizes:
                await database.fetch("TRUNCATE videos, video_stats_log")
                for statement in _FILL:
                    await database.fetch(statement, size)
                for table in _TABLES:
                    for form in ("csv", "parquet"):
                        file = Path(folder) / f"{table}-{size}.{form}"
                        seconds, peak = export(table, form, file)
                        megabytes = file.stat().st_size / 1e6
                        shown.add_row(table, form, f"{size:,}", f"{seconds:.1f}", f"{peak} MiB", f"{megabytes:.1f} MB")
            console.print(shown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.export", description=__doc__)
    parser.add_argument("--largest", type=int, default=_SIZES[-1], help="rows of the largest table")
    given = parser.parse_args()
    asyncio.run(main(tuple(size for size in _SIZES if size <= given.largest)))
