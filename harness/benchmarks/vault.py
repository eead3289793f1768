"""``python -m harness.benchmarks.vault``: 20,000 records into an archive on a Hugging Face Hub, with its commits
counted.

The Hub is a server on this machine that speaks its protocol, with its limit of 10,000 files in a folder: the seconds
are those of the client and of that server, and a real Hub adds its own for each request.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from pydantic import SecretStr

from atlas.vault import Vault
from atlas.vault.layout import decode_part, is_part, video_of
from atlas.vault.providers.huggingface import HuggingFaceProvider
from atlas.vault.reader import load
from atlas.vault.writer import Layout
from harness.benchmarks.canned import resource
from harness.benchmarks.world import machine
from tests.support.fake_hf_hub import DATASET, Hub, running_hub

_NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
_HEAD = (
    f"{'':<42}{'flushes':>8}{'commits':>8}{'requests':>9}{'files':>7}{'parts':>6}{'records':>9}{'MiB':>7}{'seconds':>9}"
)


def _provider(hub: Hub) -> HuggingFaceProvider:
    return HuggingFaceProvider(DATASET, SecretStr(hub.token), endpoint=hub.endpoint)


def _all_records(hub: Hub) -> Iterator[str]:
    for path, body in hub.files.items():
        if is_part(path):
            yield from (record.video_id for record in decode_part(body, path))
        else:
            yield video_of(path) or path


async def _archive(hub: Hub, layout: Layout, numbers: range, at_once: int) -> tuple[int, set[str]]:
    """One shard's flushes of so many records. Returns how many there were, and what was reported as stored."""
    store = Vault(_provider(hub), layout, now=lambda: _NOW)
    stored: set[str] = set()
    flushes = 0
    for start in range(numbers.start, numbers.stop, at_once):
        for n in range(start, min(start + at_once, numbers.stop)):
            store.store_metadata(f"bench{n:06d}", resource(n))
        report = await store.flush()
        if report.error:
            print(f"   {report.error}")
        stored.update(report.stored)
        flushes += 1
    return flushes, stored


async def _measure(what: str, layout: Layout, records: int, at_once: int, shards: int = 1) -> None:
    with running_hub() as hub:
        began = time.perf_counter()
        share = records // shards
        done = await asyncio.gather(
            *(_archive(hub, layout, range(share * n, share * (n + 1)), at_once) for n in range(shards))
        )
        seconds = time.perf_counter() - began
        stored = set().union(*(ids for _, ids in done))
        there = list(_all_records(hub))
        assert sorted(there) == sorted(stored), "each record that was reported is there once, and no other"
        parts = sum(map(is_part, hub.files))
        size = sum(map(len, hub.files.values())) / 2**20
        print(
            f"{what:<42}{sum(flushes for flushes, _ in done):>8,}{len(hub.commits):>8,}{len(hub.requests):>9,}"
            f"{len(hub.files) - parts:>7,}{parts:>6,}{len(there):>9,}{size:>7.1f}{seconds:>9.1f}",
            flush=True,
        )
        began = time.perf_counter()
        found = load(_provider(hub), max(stored), _NOW)
        assert found is not None
        print(f"   one record read back: {time.perf_counter() - began:.2f} s", flush=True)


async def main(records: int) -> None:
    """Prints a row for each way to bring them."""
    print(f"{machine()}\n{_HEAD}")
    await _measure("packed, one shard, 5,000 a flush", "packed", records, 5_000)
    await _measure("packed, one shard, 100 a flush", "packed", records, 100)
    await _measure("packed, 8 shards at once, 500 a flush", "packed", records, 500, 8)
    await _measure("files, one shard, 1,000 a flush", "files", records, 1_000)
    await _measure("files, 8 shards at once, 500 a flush", "files", records, 500, 8)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.vault", description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    asyncio.run(main(parser.parse_args().records))
