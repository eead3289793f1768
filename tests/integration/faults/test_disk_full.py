"""The disk of PostgreSQL is full, and has room again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children
from ...support.agents import Timeline, assert_every_call_is_counted, discover, fetch, nothing_is_claimed, value
from ...support.databases import execute
from ..agents.test_processes import IMPATIENT, check
from .conftest import TEMPLATE

if TYPE_CHECKING:
    from harness.driver.server import Server

pytestmark = pytest.mark.integration

SIZE = 48 << 20
QUERIES = ("football", "minecraft", "music")


class Disk:
    """A small disk of the test's own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Leaves no room on it."""
        with self._filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def make_space(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk that is small")
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"this machine mounts no small disk: {mounted.stderr.strip()}")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.fixture
async def dsn(server: str, private_server: Server, disk: Disk) -> AsyncIterator[str]:
    """A database whose tables are on the small disk; the server's log of changes is elsewhere."""
    name = f"full_{uuid.uuid4().hex[:12]}"
    (disk.path / "tables").mkdir()
    await execute(
        server,
        f"CREATE TABLESPACE {name} LOCATION '{disk.path}/tables'",
        f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} TABLESPACE {name}",
    )
    yield private_server.dsn(name)
    await execute(server, f"DROP DATABASE {name} WITH (FORCE)", f"DROP TABLESPACE {name}")


async def test_a_full_disk_is_named_and_all_goes_on_when_there_is_room_again(
    db: Database, dsn: str, disk: Disk, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    tracked = await discover(db, api, timeline, "python", "guitar", "cooking", "news")
    await db.fetch("DELETE FROM search_queue")
    await QueueDAO().add(list(QUERIES))
    await db.fetch("ALTER TABLE videos SET (fillfactor = 100)")
    await db.fetch("VACUUM FULL")  # leaves no room in the tables' own pages, which would do for a while
    await execute(dsn)  # a session's start writes a file that the vacuum has made obsolete
    disk.fill()
    for agent in ("hunter", "tracker"):
        ended = await children.run(agent, "--batch-size", "500")
        check(ended, 1, "failure", f"maia {agent}: ")
        assert "No space left on device" in ended.stderr
        assert "make space on the server's disk" in ended.stderr
    disk.make_space()
    snapshots = await value(db, "SELECT count(*) FROM video_stats_log WHERE observed_at > $1", timeline.at)
    for agent in ("hunter", "tracker"):
        check(await children.run(agent, "--batch-size", "500", HUNTER_TAGS_PER_VIDEO="0"), 0, "ok")
    assert snapshots == 0
    assert await value(db, "SELECT count(*) FROM search_queue WHERE searches = 1") == len(QUERIES)
    assert await value(db, "SELECT count(*) FROM videos WHERE last_updated_at > $1", timeline.at) >= len(tracked)
    again = await fetch(
        db, "SELECT count(*) AS number FROM video_stats_log WHERE video_id = ANY ($1) GROUP BY video_id", tracked
    )
    assert {row["number"] for row in again} == {2}
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)


async def test_a_disk_too_full_for_a_session_is_no_matter_of_the_address(
    db: Database, disk: Disk, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    await discover(db, api, timeline, "python")
    await db.fetch("VACUUM FULL pg_class")  # the next session has to write a file before it begins
    disk.fill()
    for agent in ("hunter", "tracker"):
        ended = await children.run(agent, command=IMPATIENT)
        check(ended, 69, "unavailable", "No space left on device", "make space on the server's disk")
    disk.make_space()
    check(await children.run("tracker"), 0, "ok")
    await assert_every_call_is_counted(db, api)
