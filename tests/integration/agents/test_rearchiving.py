"""What the Tracker reads again of old videos goes to the archive again, so that the old record can go."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from atlas import vault
from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from maia.cycles import AgentOptions, work
from maia.hunter import run_hunter_cycle
from maia.tracker import run_tracker_cycle
from youtube_sandbox import RunningSandbox

from ...support.agents import Timeline, survivors, value
from ...support.database_logins import ROLES
from ...support.retention_rows import DAY, keep, values

pytestmark = pytest.mark.integration


@pytest.fixture
def role() -> str:
    """Of one process that is agent and Janitor at once."""
    return ROLES.janitor


@pytest.fixture
async def tracked(db: Database, api: RunningSandbox, timeline: Timeline) -> list[str]:
    """Videos that are due, found and archived 26 days ago; the first ten were read and archived yesterday."""
    await QueueDAO().add(["python", "guitar"])
    await run_hunter_cycle(2)
    timeline.advance(days=26)
    ids = await survivors(db, api, timeline.at + DAY)
    assert len(ids) > 60
    yesterday = timeline.at - DAY
    await db.fetch("UPDATE videos SET enriched_at = $2, archived_at = $2 WHERE id = ANY ($1)", ids[:10], yesterday)
    await db.fetch("UPDATE videos SET due_at = $1", timeline.at)
    api.log.clear()
    return ids


def archived(vault_folder: Path, timeline: Timeline) -> set[str]:
    """The videos that have a record of today."""
    return {path.stem for path in (vault_folder / "metadata" / timeline.at.date().isoformat()).glob("*.json")}


async def test_what_the_tracker_refreshes_is_archived_again_and_outlives_the_old_record(
    db: Database, api: RunningSandbox, timeline: Timeline, tracked: list[str], vault_folder: Path
) -> None:
    stats = await run_tracker_cycle(500)
    assert (stats["updated"], stats["refreshed"]) == (len(tracked), len(tracked) - 10)
    assert stats["archived"] == len(tracked) - 10
    assert archived(vault_folder, timeline) == set(tracked[10:])
    times = set(await values(db, "SELECT archived_at::date FROM videos WHERE id = ANY ($1)", tracked[10:]))
    assert times == {timeline.at.date()}
    first = vault_folder / "metadata" / (timeline.at - 26 * DAY).date().isoformat()
    records = len(list(first.iterdir()))
    timeline.advance(days=6)
    found = await keep()
    assert found["records_expired"] == records >= len(tracked)
    assert "videos_deleted" not in found
    for id_ in tracked[10:]:
        record = vault.load_metadata(id_, (timeline.at - 6 * DAY).date())
        assert record is not None
        assert record["snippet"]["title"]


async def test_a_record_that_is_old_is_reason_enough_to_ask_again(
    db: Database, api: RunningSandbox, timeline: Timeline, tracked: list[str], vault_folder: Path
) -> None:
    """As where videos.list was asked for counts, hour by hour, without archiving."""
    await db.fetch("UPDATE videos SET enriched_at = $1", timeline.at - DAY)
    stats = await run_tracker_cycle(500)
    assert stats["archived"] == stats["refreshed"] == len(tracked) - 10
    assert archived(vault_folder, timeline) == set(tracked[10:])


async def test_videos_list_in_place_of_the_counts_archives_only_what_is_due(
    db: Database, api: RunningSandbox, timeline: Timeline, tracked: list[str], vault_folder: Path
) -> None:
    api.faults.add("not-found:batchGetStats")
    stats = await run_tracker_cycle(500)
    assert stats["refreshed"] == len(tracked)
    assert stats["archived"] == len(tracked) - 10
    assert archived(vault_folder, timeline) == set(tracked[10:])


async def test_a_record_that_could_not_be_stored_is_asked_for_again(
    db: Database, api: RunningSandbox, timeline: Timeline, tracked: list[str], vault_folder: Path
) -> None:
    today = vault_folder / "metadata" / timeline.at.date().isoformat()
    today.write_text("a file in the folder's place")
    stats = await run_tracker_cycle(500)
    assert (stats["refreshed"], stats["archived"], stats["outcome"]) == (len(tracked) - 10, 0, "ok")
    assert await value(db, "SELECT count(*) FROM events WHERE type = 'archive_failed'") == 1
    today.unlink()
    await db.fetch("UPDATE videos SET due_at = $1", timeline.at)
    stats = await run_tracker_cycle(500)
    assert stats["archived"] == len(tracked) - 10
    assert archived(vault_folder, timeline) == set(tracked[10:])


async def test_without_an_archive_nothing_is_refreshed_for_it(
    db: Database, api: RunningSandbox, timeline: Timeline, tracked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_PROVIDER", "off")
    timeline.set(timeline.at)
    await db.fetch("UPDATE videos SET enriched_at = $1", timeline.at - DAY)
    stats = await run_tracker_cycle(500)
    assert (stats["updated"], stats["refreshed"], stats["archived"]) == (len(tracked), 0, 0)


async def test_a_run_of_the_tracker_flushes_once_after_its_cycles(
    db: Database, api: RunningSandbox, timeline: Timeline, tracked: list[str], vault_folder: Path
) -> None:
    with settings.override(vault_layout="packed"):
        stats = await work("tracker", AgentOptions(batch_size=20, cycles=3))
    assert (stats["outcome"], stats["cycles"], stats["updated"]) == ("ok", 3, 60)
    assert stats["archived"] == stats["refreshed"] >= 50
    recent = "SELECT count(*) FROM videos WHERE archived_at > $1"
    assert await value(db, recent, timeline.at - timedelta(hours=1)) == stats["archived"]
    assert len(list(vault_folder.rglob("*.jsonl.zst"))) == 1
