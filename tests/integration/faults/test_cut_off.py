"""One of several searches that are stored at once is cut off in mid-write: by its statement's end, or its session's."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import pytest

from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from youtube_sandbox import RunningSandbox
from youtube_sandbox.catalogue import Query
from youtube_sandbox.model import Channel

from ...support.agent_processes import Children
from ...support.agents import Timeline, assert_every_call_is_counted, fetch, nothing_is_claimed, value
from ...support.databases import closing
from ...support.statement_gate import gate, until
from ..agents.test_processes import check

pytestmark = pytest.mark.integration


def found_by_title(api: RunningSandbox, timeline: Timeline, number: int) -> list[Channel]:
    """Channels of which a search for the title finds the videos of the last day, and no other's: such searches share no
    channel and no video, so that none waits for what another has locked."""
    now = timeline.at.timestamp()
    after = now - timedelta(hours=25).total_seconds()  # a little more than the Hunter's window
    alone: dict[str, Channel] = {}
    for shelf in api.world.shelves(after, now):
        for channel in (video.channel for video in shelf.videos):
            query = Query(channel.title, Query.parse(channel.title), after)
            if {video.channel.id for video in api.world.search(query, now)} == {channel.id}:
                alone[channel.id] = channel
            if len(alone) == number:
                return list(alone.values())
    raise AssertionError("the world has too few channels")


@pytest.mark.parametrize(
    ("cut", "failed"),
    [
        pytest.param("pg_cancel_backend", 1, id="statement"),
        pytest.param("pg_terminate_backend", 0, id="session"),  # what is lost is done again
    ],
)
async def test_a_search_that_is_cut_off_in_mid_write_leaves_those_beside_it_alone(
    db: Database, dsn: str, api: RunningSandbox, timeline: Timeline, children: Children, cut: str, failed: int
) -> None:
    stuck, *others = found_by_title(api, timeline, 4)
    for channel in (stuck, *others):  # it is searched, and stored, in this order
        await QueueDAO().add([channel.title])
    async with gate(dsn, "videos", "AFTER INSERT", f"NEW.channel_id = '{stuck.id}'") as in_mid_write:
        child = await children.start("hunter")
        await in_mid_write.reached("hunter")
        async with closing(asyncpg.connect(dsn)) as look:
            await until(look, "SELECT count(*) = $1 FROM search_queue WHERE searches = 1", len(others))
        await in_mid_write.cut_off(cut)
    ended = await child.end()
    check(ended, 0, "ok")
    assert ended.result is not None
    stats = ended.result["stats"]
    assert (stats["searches"], stats["failed"]) == (4 - failed, failed)
    assert await value(db, "SELECT count(*) FROM search_queue WHERE searches = 1") == 4 - failed
    found = {row["channel_id"] for row in await fetch(db, "SELECT DISTINCT channel_id FROM videos")}
    assert found == {channel.id for channel in (others if failed else [stuck, *others])}
    assert len(api.log.calls("search")) == 4
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)
