"""`maia report` on a real PostgreSQL: the page's file, JSON, errors."""

from __future__ import annotations

import asyncio
import json
import os
import selectors
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from atlas.database import Database

from ..support.clock_settings import standing_at
from ..support.commands import Done, invoke_maia
from ..support.database_logins import ROLES, address
from ..support.event_loop import PATIENCE
from ..support.growth_rows import NOON, add_riser

pytestmark = pytest.mark.integration

AT = NOON + timedelta(minutes=10)


async def report(*options: str, **environment: str) -> Done:
    return await invoke_maia("report", *options, ATLAS_CLOCK=standing_at(AT), **environment)


async def test_json_is_one_object_with_every_video(db: Database) -> None:
    await add_riser(db, "some_video1", 0, 50, title="</script>\u2028")
    done = await report("--json")
    assert (done.code, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    (video,) = found["videos"]
    assert (video["video_id"], video["title"], video["forecast_24h"]) == ("some_video1", "</script>\u2028", None)
    assert video["sparkline"] == [7] * 24
    assert [point["views"] for point in video["curve"]] == [0, 50]
    assert (found["report"]["videos"], found["report"]["days"]) == (1, 7)
    assert found["report"]["generated_at"] == "2026-11-22T12:10:00Z"


@pytest.mark.parametrize(
    ("output", "name"), [("page.html", "page.html"), ("new/", "new/index.html"), (".", "index.html")]
)
async def test_the_page_is_written_whole_to_a_file_or_folder(
    db: Database, tmp_path: Path, output: str, name: str
) -> None:
    await add_riser(db, "some_video1", 0, 50)
    done = await report("--output", f"{tmp_path}/{output}")
    assert done.code == 0, done.stderr
    page = (tmp_path / name).read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "title of some_video1" in page
    assert [file.name for file in (tmp_path / name).parent.iterdir()] == [Path(name).name]
    assert "1 videos" in done.out


@pytest.mark.parametrize(
    ("command", "head"), [(["report", "--output"], "<!doctype html>"), (["metrics", "--textfile"], "# HELP")]
)
async def test_a_pipe_is_written_to_and_a_link_stays_one(
    db: Database, tmp_path: Path, command: Sequence[str], head: str
) -> None:
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    file.write_text("old")
    link.symlink_to(file)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # so that opening it to write does not wait
    reading = asyncio.create_task(asyncio.to_thread(_all_of, reader))
    done = await invoke_maia(*command, str(pipe))
    assert (done.code, done.stderr) == (0, "")
    assert (await reading).lstrip().lower().startswith(head.lower())
    assert pipe.is_fifo()
    assert (await invoke_maia(*command, str(link))).code == 0
    assert link.is_symlink()
    assert file.read_text().lstrip().lower().startswith(head.lower())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "pipe"]


def _all_of(pipe: int) -> str:
    """What is written into a pipe until its writer ends."""
    with selectors.DefaultSelector() as selector, open(pipe, "rb") as file:
        selector.register(file, selectors.EVENT_READ)
        selector.select(PATIENCE)
        os.set_blocking(pipe, True)
        return file.read().decode()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 2, "--output or --json"),
        (["--output", "page.html", "--json"], 2, "--output or --json"),
        (["--output", "missing/page.html"], 1, "missing/page.html cannot be written: No such file or directory"),
        (["--output", "missing/folder/"], 1, "cannot be written: No such file or directory"),
        (["--output", "file/page.html"], 1, "cannot be written: Not a directory"),
        (["--output", "page.html", "--days", "0"], 2, "--days"),
        (["--output", "page.html", "--limit", "0"], 2, "--limit"),
    ],
)
async def test_what_cannot_be_written_is_said(db: Database, options: Sequence[str], code: int, said: str) -> None:
    Path("file").touch()
    done = await report(*options)
    assert done.code == code
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert [file.name for file in Path().iterdir()] == ["file"]


async def test_a_page_stays_whole_when_the_next_one_fails(
    db: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "page.html"
    old.write_text("old")
    for error, code in ((OSError(28, "No space left on device"), 1), (KeyboardInterrupt(), 130)):

        async def fail(*_: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr("maia.commands.report.read_payload", fail)
        done = await report("--output", str(old))
        assert done.code == code
        assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
        assert old.read_text() == "old"


@pytest.mark.parametrize("where", [["--json"], ["--output", "page.html"]])
async def test_without_a_database_or_schema_the_code_says_so(empty_dsn: str, where: Sequence[str]) -> None:
    done = await report(*where, DATABASE_URL=empty_dsn)
    assert done.code == 78
    assert "atlas migrate" in done.stderr
    done = await report(*where, DATABASE_URL="postgresql://maia@127.0.0.1:1/none")
    assert done.code == 69
    assert not Path("page.html").exists()


async def test_an_analyst_may_make_it_and_sees_no_limits(db: Database, dsn: str) -> None:
    await add_riser(db, "some_video1", 0, 50)
    reader = address(dsn, ROLES.reader)
    done = await report("--json", DATABASE_URL=reader, YOUTUBE_API_KEY_POOL_JSON='["one", "two", "three"]')
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert [bucket["left"] for bucket in found["report"]["quota"]] == [None] * 3
    assert len(found["videos"]) == 1


async def test_a_faster_clock_turns_the_times_of_runs_into_its_own(db: Database) -> None:
    begun = datetime.now(UTC)
    await db.fetch(
        "INSERT INTO runs (id, agent, started_at, stats, clock) VALUES (gen_random_uuid(), 'hunter', $1, $2, 'fast')",
        begun, {"searches": 3, "videos_new": 1},
    )  # fmt: skip
    clock = f"7200x@{(begun - timedelta(seconds=10)).isoformat()}={NOON.isoformat()}"  # two hours a second
    done = await invoke_maia("report", "--json", ATLAS_CLOCK=clock)
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)["report"]
    assert [run["started_at"] for run in found["runs"]] == ["2026-11-23T08:00:00Z"]
    assert [day["searches"] for day in found["discovery"] if day["day"] == "2026-11-23"] == [3]
