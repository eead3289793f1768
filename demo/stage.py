"""What the shards work with: a PostgreSQL and a YouTube, both of the demo's own."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import TypeVar

from atlas.db import embedded
from atlas.db.embedded import EmbeddedServer
from atlas.quota.buckets import Bucket
from demo.children import Children
from demo.environment import KEYS, PROJECT
from demo.options import Options
from youtube_sandbox.dataset import Dataset

__all__ = ["StageFailed", "start_sandbox", "start_server", "whole"]

T = TypeVar("T")

QUOTA = {Bucket.SEARCH: 100, Bucket.UNITS: 10_000, Bucket.BATCH: 10_000}
"""YouTube's own: calls a day and project."""

_VIDEOS_A_WEEK = 2_000
_SANDBOX_PATIENCE = 30.0
_GRACE = 1.0  # the demo itself is a client as long as it runs


class StageFailed(Exception):
    """Something that the shards need did not start; the message says what and why."""


async def whole(work: Awaitable[T]) -> T:
    """Awaits something that must not be cut off half-way: a cancellation waits for its end."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # looked at: the cancellation is what the caller hears of
        raise


async def start_server(folder: Path) -> EmbeddedServer:
    """The demo's PostgreSQL; stop it with ``embedded.stop``. Raises AtlasError."""
    # cut off between the launch of its keeper and its answer, it would come up after everybody has left
    return await whole(embedded.start(folder / "postgres", grace=_GRACE))


async def start_sandbox(
    children: Children, options: Options, environment: Mapping[str, str], dataset: Dataset | None
) -> str:
    """The local YouTube Data API. Returns its base URL.

    Args:
        environment: of the process; the schedule clock is in it.
        dataset: what it replays, as it was read from ``options.dataset``.

    Raises:
        StageFailed: it does not come up.
    """
    folder = options.folder
    command = [sys.executable, "-m", "maia", "sandbox", "--port", "0", "--log", str(folder / "calls.jsonl")]
    for keys in KEYS.values():
        command += [part for key in keys for part in ("--key", f"{key}={PROJECT}")]
    if dataset is not None:
        # a date without a year would be taken for one that has passed by the schedule clock, which begins at the first
        command += ["--dataset", str(options.dataset), "--dataset-year", str(dataset.first.year)]
    else:
        command += ["--seed", str(options.seed), "--videos", str(_VIDEOS_A_WEEK)]
    log = folder / "logs" / "sandbox.log"
    child = children.start("sandbox", command, log, environment)
    deadline = time.monotonic() + _SANDBOX_PATIENCE
    while time.monotonic() < deadline:
        said = child.last_lines()
        address = next((line for line in said if line.startswith("http://")), None)
        if address:
            return address
        if child.process.poll() is not None:
            raise StageFailed("\n    ".join([f"the sandbox did not start. The end of its log ({log}):", *said]))
        await asyncio.sleep(0.05)
    raise StageFailed(f"the sandbox did not start within {_SANDBOX_PATIENCE:.0f} s; see {log}")
