"""``python -m harness.load.claimers FILE AGENT FIRST UNTIL OF BATCH LATENCY MINUTES``: claimers instead of agents.

Each is a coroutine with a connection of its own. It claims, waits for as long as the API would take, and writes, by the
product's own DAO. Its calls go into a log of the sandbox's form (FILE with ``.calls``) for the same audit.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atlas.adapters.maia import MaiaDAO
from atlas.clock import clock
from atlas.database import Database
from atlas.models.rows import Presence, TopicStatus, VideoUpdate
from harness.load.shard import measure

_IDLE = 0.5  # seconds, where nothing is due


class Claimer:
    def __init__(self, agent: str, index: int, total: int, batch: int, latency: float, log: int) -> None:
        self.name = f"{agent} {index}/{total}"
        self._agent, self._batch, self._latency, self._log = agent, batch, latency, log
        self._store = Database()
        self._store.application_name = f"maia {self.name}"
        self._dao = MaiaDAO(self.name, self._store)

    async def work(self, ends: float) -> None:
        """Work until the time is up; what was begun is ended."""
        once = self._track if self._agent == "tracker" else self._hunt
        async with self._store.session():
            while time.monotonic() < ends:
                if not await once():
                    await asyncio.sleep(_IDLE)

    async def _track(self) -> bool:
        rows = await self._dao.fetch_tracker_targets(self._batch)
        if not rows:
            return False
        self._note("batchGetStats", {"id": ",".join(row["id"] for row in rows)})
        await asyncio.sleep(self._latency)
        views = int(time.time())
        updates = [VideoUpdate(row["id"], Presence.PRESENT, views, views // 20, views // 200) for row in rows]
        async with self._dao.transaction():
            await self._dao.update_video_stats_batch(updates)
        return True

    async def _hunt(self) -> bool:
        rows = await self._dao.fetch_hunter_batch(self._batch)
        for row in rows:
            after, before = row["published_after"], row["published_before"]
            if after is None or before is None:
                raise TypeError(f"a topic was claimed without a window: {row}")
            window = {"publishedAfter": after.isoformat("T", "microseconds")}
            window["publishedBefore"] = before.isoformat("T", "microseconds")
            token = {"pageToken": row["next_page_token"]} if row["next_page_token"] else {}
            self._note("search", {"q": row["query_term"], **window, **token})
        await asyncio.sleep(self._latency)
        for row in rows:
            more = random.random() < 0.5 and row["page"] < 5  # noqa: S311  a load, not a secret
            async with self._dao.transaction():
                await self._dao.update_search_state(
                    row["id"], f"page-{row['page'] + 2}" if more else None, 50,
                    TopicStatus.ACTIVE if more else TopicStatus.WAITING, new=10,
                )  # fmt: skip
        return bool(rows)

    def _note(self, endpoint: str, params: Mapping[str, Any]) -> None:
        line = {
            "schedule": clock.now().isoformat(), "endpoint": endpoint, "bucket": endpoint, "status": 200,
            "agent": f"load ({self.name})", "params": params,
        }  # fmt: skip
        os.write(self._log, json.dumps(line).encode() + b"\n")


async def main(arguments: list[str]) -> None:
    file, agent = Path(arguments[0]), arguments[1]
    first, until, total, batch = map(int, arguments[2:6])
    latency, minutes = map(float, arguments[6:8])
    measure(file)
    log = os.open(file.with_suffix(".calls"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    work = asyncio.gather(
        *(
            Claimer(agent, index, total, batch, latency, log).work(time.monotonic() + minutes * 60)
            for index in range(first, until)
        )
    )
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, work.cancel)
    await work


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1:]))
    except asyncio.CancelledError:
        sys.exit(130)
