"""`maia watch` as a process."""

from __future__ import annotations

import os
import signal

import pytest

from atlas.database import Database

from ..support.child_processes import PIPE, child
from ..support.commands import MAIA, invoke_maia
from ..support.growth_rows import add_riser

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_without_a_terminal_it_prints_a_block_per_interval_until_a_signal(
    db: Database, dsn: str, number: signal.Signals, code: int
) -> None:
    await add_riser(db, "fast_video1", 0, 1_000)
    command = (*MAIA, "watch", "--interval", "1s")
    async with child(*command, stdout=PIPE, stderr=PIPE, env={**os.environ, "DATABASE_URL": dsn}) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(2):
            block = await process.stdout.readuntil(b"not YouTube's own.\n\n")
        process.send_signal(number)
        assert await process.wait() == code
        assert await process.stderr.read() == b""
    text = block.decode()
    assert "\x1b" not in text
    assert (
        text.index("maia watch, 20")
        < text.index("freshness")
        < text.index("https://www.youtube.com/watch?v=fast_video1")
    )


@pytest.mark.parametrize("interval", ["0s", "soon", "-1s"])
async def test_an_interval_is_at_least_a_second(interval: str) -> None:
    done = await invoke_maia("watch", "--interval", interval)
    assert done.code == 2
    assert "--interval" in done.stderr
