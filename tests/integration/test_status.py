"""`maia status`: how fresh the data is against each zone's promise, what is next, and what fails."""

from __future__ import annotations

import io
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from atlas.adapters.overview import OverviewDAO
from atlas.config import settings
from atlas.database import Database
from maia.commands.status import status_view

from ..support.clock_settings import standing_at
from ..support.commands import Done, invoke_maia
from ..support.fake_secrets import HUNTING
from ..support.growth_rows import add_riser

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
INTERVAL = {1: HOUR, 2: 6 * HOUR, 3: 24 * HOUR}


@pytest.fixture(autouse=True)
def schedule_clock(clean_settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedule clock stands at NOW."""
    monkeypatch.setenv("ATLAS_CLOCK", standing_at(NOW))
    settings.reload()


async def add_videos(db: Database, zone: int, read: timedelta, *, number: int = 1, id_: str = "v") -> None:
    """Videos of a zone that were read some time ago."""
    await db.fetch(
        "INSERT INTO videos (id, title, first_seen_at, zone, last_updated_at, due_at, enriched_at) "
        "SELECT $1 || n, 'a title', $2, $3, $2, $4, $2 FROM generate_series(1, $5) n",
        f"{id_}{zone}-{read}", NOW - read, zone, NOW - read + INTERVAL[zone], number,
    )  # fmt: skip


async def add_query(db: Database, status: str = "active", due: datetime | None = None) -> None:
    await db.fetch(
        "INSERT INTO search_queue (query_term, priority, source, added_at, status, due_at) "
        "VALUES ($1, 1, 'user', $2, $3, $4)",
        uuid.uuid4().hex, NOW, status, due,
    )  # fmt: skip


async def add_run(db: Database, agent: str, outcome: str | None, ago: timedelta, **columns: Any) -> None:
    began = datetime.now(UTC) - ago
    values = {
        "id": uuid.uuid4(), "agent": agent, "shard": "0/1", "wave": 1, "started_at": began, "outcome": outcome,
        "finished_at": began + timedelta(seconds=30) if outcome else None, "clock": standing_at(NOW), **columns,
    }  # fmt: skip
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await db.fetch(f"INSERT INTO runs ({', '.join(values)}) VALUES ({places})", *values.values())


async def checked(*arguments: str, **environment: str) -> tuple[int, set[str]]:
    """Return the exit code of `--check`, and the kinds of its problems."""
    done = await invoke_maia("status", "--check", *arguments, **environment)
    return done.code, {line.partition(":")[0] for line in done.out.splitlines()}


@pytest.mark.parametrize(
    ("ages", "late", "kept"),
    [
        ({1: 89}, 0, 1.0), ({1: 91}, 1, 0.0), ({1: 30}, 0, 1.0), ({2: 60 * 9 - 1}, 0, 1.0), ({2: 60 * 9 + 1}, 1, 0.0),
        ({3: 60 * 36 - 1}, 0, 1.0), ({3: 60 * 36 + 1}, 1, 0.0),
    ],
)  # fmt: skip
async def test_a_promise_is_kept_for_one_and_a_half_intervals(
    db: Database, ages: dict[int, int], late: int, kept: float
) -> None:
    for zone, minutes in ages.items():
        await add_videos(db, zone, timedelta(minutes=minutes))
    overview = await OverviewDAO().read()
    (zone,) = ages
    state = overview.zones[zone - 1]
    assert (state.late.number, state.share_kept, state.is_stale) == (late, kept, bool(late))
    assert overview.newest == NOW - timedelta(minutes=ages[zone])
    assert [other.share_kept for other in overview.zones if other.zone != zone] == [None, None]


async def test_a_zone_is_stale_when_more_than_a_tenth_is_late_also_by_a_sample(db: Database) -> None:
    await add_videos(db, 1, HOUR / 2, number=90)
    await add_videos(db, 1, 3 * HOUR, number=10)
    for limit in (1_000, 50):  # counted, and sampled: the table is smaller than a sample
        state = (await OverviewDAO().read(limit=limit)).zones[0]
        assert (state.share_kept, state.is_stale) == (0.9, False)
        assert state.tracked.exact == (limit == 1_000)
    await add_videos(db, 1, 4 * HOUR)
    state = (await OverviewDAO().read(limit=50)).zones[0]
    assert state.is_stale
    assert state.lateness(NOW) == 3 * HOUR


async def test_an_upcoming_video_is_neither_late_nor_the_newest(db: Database) -> None:
    await db.fetch(
        "INSERT INTO videos (id, first_seen_at, zone, last_updated_at, due_at) VALUES ('soon', $1, 1, $1, $2)",
        NOW - 5 * HOUR, NOW + 19 * HOUR,
    )  # fmt: skip
    await add_query(db, "waiting", NOW + HOUR)
    assert await checked() == (0, set())
    assert await checked("--max-age", "4h") == (1, {"stale-snapshots"})


async def test_a_newcomer_is_told_the_next_step(db: Database) -> None:
    done = await invoke_maia("status")
    assert done.code == 0
    assert 'maia queue add "your query"' in done.out
    assert await checked() == (1, {"no-data"})
    await add_query(db)
    assert "Run `maia hunter`" in (await invoke_maia("status", "--check")).out


async def test_of_a_riser_only_the_title_is_cut(db: Database) -> None:
    await add_riser(db, "fgpbqfrCUwH", 0, 11_400, title="A long title " * 9, usual_per_hour=10.0)
    done = await invoke_maia("status")
    (line,) = (line for line in done.out.splitlines() if "A long title" in line)
    assert "11.4k views/h 1.1kx usual A long title" in line
    assert line.rstrip().endswith("… fgpbqfrCUwH")
    assert len(line) <= 80


async def test_the_page_says_when_the_tracker_has_work(db: Database) -> None:
    await add_videos(db, 1, timedelta(minutes=10))
    await add_query(db, "waiting", NOW + 3 * HOUR)
    done = await invoke_maia("status", DISPLAY_TIME_ZONE="Europe/Berlin")
    assert "the Tracker next has work at 2026-11-22T13:50+01:00 (in 50m)" in done.out
    assert "the Hunter next has work at 2026-11-22T16:00+01:00 (in 3h)" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert "\x1b" not in done.out


@pytest.mark.parametrize(("max_age", "code"), [("20m", 1), ("1799s", 1), ("1801s", 0), ("1h", 0), ("3h", 0), ("2d", 0)])
async def test_max_age_is_that_of_the_newest_snapshot(db: Database, max_age: str, code: int) -> None:
    await add_videos(db, 1, HOUR / 2)
    await add_query(db)
    assert (await checked("--max-age", max_age))[0] == code


async def test_a_wrong_duration_is_a_wrong_argument(db: Database) -> None:
    done = await invoke_maia("status", "--max-age", "soon")
    assert done.code == 2
    assert "20m, 3h" in done.stderr


async def test_the_last_run_of_an_agent_decides_whether_it_fails(db: Database) -> None:
    await add_videos(db, 1, HOUR / 2)
    await add_query(db)
    await add_run(db, "tracker", "failure", 3 * HOUR, exit_code=1, error="an old failure")
    await add_run(db, "tracker", "ok", 2 * HOUR, exit_code=0)
    await add_run(db, "hunter", "churn", HOUR, exit_code=75)
    assert await checked() == (0, set())
    await add_run(db, "tracker", "ok", HOUR, run_id="20-1", shard="0/2")
    failed = {"exit_code": 78, "error": "every key is wrong\x1b[31m\nsecond line"}
    await add_run(db, "tracker", "config", HOUR, run_id="20-1", shard="1/2", **failed)
    done = await invoke_maia("status", "--check")
    assert done.code == 1
    (line,) = done.out.splitlines()
    assert line.startswith("failed-run: 1 of 2 shards of the tracker ended with config: every key is wrong")
    assert "\x1b" not in line
    # the shard was run again
    await add_run(db, "tracker", "ok", HOUR / 2, run_id="20-1", shard="1/2")
    assert await checked() == (0, set())
    page = (await invoke_maia("status")).out
    assert "6 runs, 1 churn, 2 failures" in " ".join(page.split())


async def test_a_rejected_key_and_other_problems_each_say_what_to_do(db: Database) -> None:
    await add_videos(db, 3, HOUR)
    pool = json.dumps({"hunting": HUNTING[:1], "tracking": HUNTING[:1]})
    page = (await invoke_maia("status", YOUTUBE_API_KEY_POOL_JSON=pool)).out
    assert "hunting (1 key): search 100, units 10,000, batchGetStats 10,000" in page
    assert "reset at 2026-11-23T08:00Z (in 20h), midnight Pacific" in page
    await db.fetch("INSERT INTO count_freezes (started_at, confirmed_at, videos, channels) VALUES ($1, $1, 9, 9)", NOW)
    await db.fetch("INSERT INTO events (at, type) VALUES ($1, 'search_gap'), ($1, 'archive_failed')", NOW - HOUR)
    state = json.loads((await invoke_maia("status", "--json", YOUTUBE_API_KEY_POOL_JSON=pool)).out)
    assert state["ok"]
    found = {problem["kind"]: problem for problem in state["problems"]}
    assert set(found) == {"empty-queue", "frozen-counts", "search-gaps", "archive"}
    assert all(problem["advice"] and not problem["failing"] for problem in found.values())
    assert state["next"]["reading"] == "2026-11-23T11:00:00.000000Z"


async def test_hostile_texts_do_no_harm(db: Database) -> None:
    await add_videos(db, 1, HOUR / 2, id_="x")
    await db.fetch("UPDATE videos SET title = $1", "[red]\x1b[2J\n::add-mask::\u202e" + "日" * 5_000)
    await db.fetch(
        "INSERT INTO video_growth (video_id, observed_at, kind, views, views_per_hour) "
        "SELECT id, $1, 1, 10, 5 FROM videos",
        NOW,
    )
    await db.fetch(
        "INSERT INTO breakouts (video_id, detected_at, score, views, views_per_hour, peak_views_per_hour) "
        "SELECT id, $1, 9, 10, 5, 5 FROM videos",
        NOW,
    )
    done = await invoke_maia("status")
    assert "[red]" in done.out
    assert not {"\x1b", "\u202e"} & {*done.out}
    assert "::add-mask" not in done.out
    assert len(done.out.splitlines()) < 30, "titles are cut"


@pytest.mark.parametrize("arguments", [(), ("--check",), ("--json",)])
async def test_without_a_schema_or_a_server_it_ends_as_atlas_status_does(
    empty_dsn: str, arguments: tuple[str, ...]
) -> None:
    done: Done = await invoke_maia("status", *arguments, DATABASE_URL=empty_dsn)
    assert done.code == 78
    assert "atlas migrate" in done.stderr
    gone = "postgresql://nobody@127.0.0.1:1/none"
    assert (await invoke_maia("status", *arguments, DATABASE_URL=gone)).code == 69


async def test_watch_gets_the_page_of_now_on_its_own_connection(db: Database) -> None:
    page = io.StringIO()
    Console(width=80, file=page).print(await status_view())
    assert "There is no video yet" in " ".join(page.getvalue().split())
    assert await db.fetch("SELECT 1")
