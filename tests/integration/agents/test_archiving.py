"""Agents and an archive on a Hugging Face Hub: one commit a run, and what ends a run in mid-flush loses nothing."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from atlas import vault
from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from atlas.vault.layout import day_of, decode_part, is_part, video_of
from atlas.vault.records import Record, decode
from maia.cycles import AgentOptions, work
from maia.hunter import run_hunter_cycle
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children
from ...support.agents import Timeline, fetch, value
from ...support.fake_hf_hub import DATASET, Hub, running_hub

pytestmark = pytest.mark.integration

HASTY = (
    sys.executable,
    "-c",
    # the same program, with a shorter grace after a signal than users have
    "import maia.runtime.shutdown as s; s.GRACE_SECONDS = 1.0; from maia.cli import main; main()",
)


@pytest.fixture
def hub(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub, which the settings name."""
    with running_hub() as hub:
        for name, text in {
            "VAULT_PROVIDER": "huggingface",
            "VAULT_LAYOUT": getattr(request, "param", "packed"),
            "HF_DATASET_ID": DATASET,
            "HF_TOKEN": hub.token,
            "HF_ENDPOINT": hub.endpoint,
        }.items():
            monkeypatch.setenv(name, text)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.endpoint)
        settings.reload()
        yield hub


def records(hub: Hub) -> dict[tuple[str, date], dict[str, Any]]:
    """All that the Hub has, in either layout."""
    found = [
        record
        for path, body in hub.files.items()
        for record in (decode_part(body, path) if is_part(path) else [Record(video_of(path), day_of(path), body)])
    ]
    return {(record.video_id, record.day): decode(record.body) for record in found}


async def what_is_archived_is_there(db: Database, hub: Hub) -> int:
    """Every video with an ``archived_at`` has its record on the day of that. Returns how many there are."""
    rows = await fetch(db, "SELECT id, archived_at AT TIME ZONE 'UTC' AS at FROM videos WHERE archived_at IS NOT NULL")
    there = records(hub)
    assert all(there[row["id"], row["at"].date()]["id"] == row["id"] for row in rows)
    if rows:
        one = await asyncio.to_thread(vault.load_metadata, rows[0]["id"], rows[0]["at"])
        assert one == there[rows[0]["id"], rows[0]["at"].date()]
    return len(rows)


async def test_a_run_of_several_cycles_is_one_commit(
    db: Database, api: RunningSandbox, timeline: Timeline, hub: Hub
) -> None:
    await QueueDAO().add(["python", "guitar", "cooking"])
    stats = await work("hunter", AgentOptions(batch_size=1, cycles=3))
    videos = await value(db, "SELECT count(*) FROM videos")
    assert videos == stats["archived"] == await what_is_archived_is_there(db, hub)
    assert stats["cycles"] == 3
    assert len(hub.commits) == hub.calls("commit") == 1


@pytest.mark.parametrize(
    ("hub", "way", "end", "code"),
    [
        ("files", "hang", signal.SIGKILL, 137),
        ("packed", "stall", signal.SIGKILL, 137),
        ("files", "stall", signal.SIGTERM, 143),
    ],
    indirect=["hub"],
)
async def test_a_run_that_ends_in_mid_flush_loses_nothing(
    db: Database,
    api: RunningSandbox,
    timeline: Timeline,
    hub: Hub,
    children: Children,
    way: str,
    end: signal.Signals,
    code: int,
) -> None:
    await QueueDAO().add(["python"])
    await run_hunter_cycle(1)
    archived = await what_is_archived_is_there(db, hub)
    assert archived

    hub.faults["commit"] = [way]
    await QueueDAO().add(["guitar"])
    child = await children.start("hunter", "--batch-size", "1", command=HASTY)
    await asyncio.to_thread(hub.wait_until_asked)
    child.process.send_signal(end)
    assert (await child.end()).code == code
    left = await value(db, "SELECT count(*) FROM videos WHERE archived_at IS NULL")
    assert left, "the commit may be made, but nobody could say so"
    assert await what_is_archived_is_there(db, hub) == archived
    assert len(hub.commits) == (1 if way == "hang" else 2)

    timeline.advance(hours=2)
    later = await run_hunter_cycle(1)
    assert later["archived"] >= left
    assert await value(db, "SELECT count(*) FROM videos WHERE archived_at IS NULL") == 0
    assert await what_is_archived_is_there(db, hub) == await value(db, "SELECT count(*) FROM videos")
