"""What `atlas forget` deletes while a shard works on it does not come back by that shard."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from atlas import vault
from atlas.adapters.erasure import ErasureDAO
from atlas.adapters.queue import QueueDAO
from atlas.commands.archive import archive_or_none
from atlas.database import Database
from atlas.operations.erase import Erasure, erase_everywhere
from maia.agents import enrichment
from maia.agents.session import agent_session
from maia.hunter import run_hunter_cycle
from maia.tracker import fetch_targets, update_stats
from youtube_sandbox import RunningSandbox

from ...support.agents import Timeline, discover, fetch, value
from ...support.database_logins import ROLES

pytestmark = pytest.mark.integration


@pytest.fixture
def role() -> str:
    """Of one process that is agent and deletes at once."""
    return ROLES.janitor


async def forget(*videos: str) -> Erasure:
    done = await erase_everywhere(ErasureDAO(), await archive_or_none(), videos, [])
    assert done.proven
    return done


async def nothing_is_left_of(db: Database, folder: Path, video: str) -> bool:
    assert await value(db, "SELECT count(*) FROM videos") > 0
    tables = [
        await value(db, "SELECT count(*) FROM videos WHERE id = $1", video),
        await value(db, "SELECT count(*) FROM video_stats_log WHERE video_id = $1", video),
        await value(db, "SELECT count(*) FROM events WHERE payload::text LIKE '%' || $1 || '%'", video),
    ]
    return not any(tables) and not list(folder.rglob(f"{video}*"))


@pytest.mark.parametrize("days", [0, 26], ids=["counts", "metadata too"])
async def test_the_tracker_writes_nothing_of_it(
    db: Database, api: RunningSandbox, timeline: Timeline, vault_folder: Path, days: int
) -> None:
    ids = await discover(db, api, timeline, "python")
    timeline.advance(days=days)
    async with agent_session("tracker") as session:
        targets = await fetch_targets(50)
        assert (await forget(ids[0])).removed["leased"] == 1
        stats = await update_stats(targets)
        await session.archive()
    assert stats["updated"] + stats.get("absent", 0) == len(ids) - 1
    assert await nothing_is_left_of(db, vault_folder, ids[0])


async def test_the_hunter_does_not_finish_it(
    db: Database, api: RunningSandbox, timeline: Timeline, vault_folder: Path
) -> None:
    api.faults.add("backend-error:videos")
    await QueueDAO().add(["python"])
    await run_hunter_cycle(1)
    api.faults.clear()
    async with agent_session("hunter") as session:
        targets = await session.dao.fetch_unfinished(45, archive=True)
        victim = targets[0]["id"]
        await forget(victim)
        counts = await enrichment._finish(session, [target["id"] for target in targets])
        await session.archive()
    assert counts["videos_enriched"] == len(targets) - 1
    assert await nothing_is_left_of(db, vault_folder, victim)


async def test_a_record_that_waits_in_a_shards_buffer_is_taken_out_again(
    db: Database, api: RunningSandbox, timeline: Timeline, vault_folder: Path
) -> None:
    ids = await discover(db, api, timeline, "python")
    async with agent_session("hunter") as session:
        for video in ids[:2]:
            vault.store_metadata(video, {"id": video, "etag": "waiting"})
        await forget(ids[0])
        await session.archive()
    assert await nothing_is_left_of(db, vault_folder, ids[0])
    day = timeline.at.date()
    kept = vault.load_metadata(ids[1], day)
    assert kept is not None
    assert kept["etag"] == "waiting"
    marks = await fetch(db, "SELECT archived_at FROM videos WHERE id = $1", ids[1])
    assert marks[0]["archived_at"] - timeline.at < timedelta(hours=1)
