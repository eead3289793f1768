"""``python -m harness.benchmarks.rebuild --records 100000``: a database out of an archive, and the care of one."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from atlas.adapters.archive import ArchiveDAO
from atlas.database import database
from atlas.operations.rebuild import rebuild
from atlas.operations.verify import verify
from atlas.vault.archive import Archive
from atlas.vault.compaction import compact
from atlas.vault.layout import encode_part, part_path
from atlas.vault.providers.local import LocalProvider
from atlas.vault.records import Record, encode, mark
from harness.benchmarks.canned import resource
from harness.benchmarks.world import fresh_database
from harness.driver.proc import machine, memory_of

_DAYS, _FLUSH = 10, 5_000


def records(number: int) -> Iterator[Record]:
    """Yield records of as many videos, spread evenly over ten days up to yesterday."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for n in range(number):
        at = midnight - timedelta(days=_DAYS) + timedelta(days=_DAYS) * n / number
        yield Record(f"bench{n:06d}", at.date(), encode(mark(resource(n), at)))


def fill(folder: Path, number: int, layout: str) -> None:
    """Write an archive as flushes of 5,000 records do."""
    place = LocalProvider(folder)
    held: list[Record] = []

    def flush() -> None:
        add: dict[str, bytes] = {}
        for day in sorted({each.day for each in held}):
            of_day = [each for each in held if each.day == day]
            if layout == "files":
                add.update((each.path, each.body) for each in of_day)
            else:
                add[part_path(day, datetime.now(UTC), secrets.token_hex(4))] = encode_part(of_day)
        assert not place.commit(add, (), message="", deadline=time.monotonic() + 600)
        held.clear()

    for each in records(number):
        held.append(each)
        if len(held) == _FLUSH:
            flush()
    flush()


@contextlib.contextmanager
def _measured(what: str, number: int) -> Iterator[None]:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Linux measures the peak anew
    began = time.perf_counter()
    yield
    seconds = time.perf_counter() - began
    speed = f"{number / seconds:>9,.0f} records/s {seconds:>7.1f} s"
    print(f"{what:<22}{speed}   peak memory {_peak():>4.0f} MiB", flush=True)


def _peak() -> float:
    """Return the most memory that this process has had, in MiB; PostgreSQL is another."""
    return memory_of("self")[1] / 2**20


@contextlib.asynccontextmanager
async def _archived(number: int, layout: str) -> AsyncIterator[Archive]:
    with tempfile.TemporaryDirectory(prefix="maia-bench-") as folder:
        # by a child, whose memory is not this process's
        command = [sys.executable, "-m", "harness.benchmarks.rebuild", "--fill", folder, "--layout", layout]
        filling = await asyncio.create_subprocess_exec(*command, "--records", str(number))
        assert await filling.wait() == 0
        yield Archive(LocalProvider(Path(folder)))


async def main(number: int, layouts: tuple[str, ...]) -> None:
    print(f"{machine()}; {number:,} records of {_DAYS} days in a local folder; PostgreSQL shares these cores")
    print(f"memory of this process before anything: {_peak():.0f} MiB", flush=True)
    for layout in layouts:
        async with _archived(number, layout) as archive, fresh_database():
            with _measured(f"rebuild from {layout}", number):
                done = await rebuild(archive, ArchiveDAO())
            assert (done.videos, done.damaged) == (number, 0)
            (row,) = await database.fetch("SELECT count(*) AS number FROM video_stats_log")
            assert row["number"] == number
            with _measured(f"verify {layout}", number):
                report = await verify(archive, ArchiveDAO())
            assert (report.records, report.missing, report.damaged, report.without_row) == (number, 0, 0, 0)
            with _measured(f"compact {layout}", number):
                for day in archive.days():
                    assert not compact(archive, day).failed
            assert (await verify(archive, ArchiveDAO())).records == number


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.rebuild", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="how many")
    parser.add_argument("--layout", choices=("files", "packed"), action="append", help="only this one")
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    if given.fill:
        fill(given.fill, given.records, given.layout[0])
    else:
        asyncio.run(main(given.records, tuple(given.layout or ("files", "packed"))))
