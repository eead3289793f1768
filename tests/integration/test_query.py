"""`maia query` on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
from datetime import datetime, timedelta

import asyncpg
import pytest

from atlas.adapters.questions import QuestionRefused, QuestionsDAO, questions
from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from atlas.errors import StatementFailed

from ..support.commands import invoke_maia
from ..support.event_loop import PATIENCE
from ..support.growth_rows import NOON, add_breakout, add_riser

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]


@pytest.fixture
async def videos(db: Database) -> None:
    await add_riser(db, "fast_video1", 0, 100, 1_100, title="a;b\n\x1b[31mc", usual_per_hour=200.0)
    await add_riser(db, "short_video", 10, 60, kind=2)
    await add_breakout(db, "fast_video1")


@pytest.mark.parametrize("name", questions())
async def test_each_question_has_an_answer_and_sql_for_psql(videos: None, db: Database, name: str) -> None:
    done = await invoke_maia("query", name, "--json")
    assert done.code == 0
    assert isinstance(json.loads(done.out), list)
    sql = (await invoke_maia("query", name, "--sql")).out
    assert sql.startswith("-- ")
    assert sql.endswith(";\n")
    assert questions()[name].text.partition("?")[1] == "?"
    await db.fetch(sql)  # as psql would run it


async def test_the_fastest_are_in_a_table_of_80_cells(videos: None) -> None:
    assert (await invoke_maia("query", "fastest")).out.splitlines() == [
        "title                 channel  views  per_hour  times_usual  score  video_id",
        "a;b [31mc                      1,100     1,000            5         fast_video1",
        "title of short_video              60        50                      short_video",
    ]


async def test_the_limit_of_a_question_is_the_users(db: Database) -> None:
    for number in range(103):
        await add_riser(
            db, f"some_video{number}", 0, 1_000 - number, retired_at=NOON if not number else None, channel=f"UC{number}"
        )
        await add_breakout(db, f"some_video{number}")
        await db.fetch(
            "INSERT INTO api_calls (day, fingerprint, bucket, counter_shard, reserved) VALUES ($1, 'k', 'units', 0, 1)",
            NOON.date() - timedelta(days=number),
        )
    for name, rows in (("breakouts", 103), ("channels-rising", 102), ("fastest", 102), ("quota-by-day", 103)):
        for limit, shown in ((100, 100), (rows - 1, rows - 1), (rows, rows), (500, rows)):
            done = await invoke_maia("query", name, "--limit", str(limit), "--json")
            assert (len(json.loads(done.out)), "there are more" in done.stderr) == (shown, limit < rows), (name, limit)
    assert "LIMIT 20" in (await invoke_maia("query", "fastest", "--limit", "20", "--sql")).out


async def test_a_queries_yield_counts_its_videos_that_broke_out(db: Database) -> None:
    await QueueDAO().add(["Lofi"])
    await db.fetch("UPDATE search_queue SET searches = 10, new_videos = 25")
    (row,) = await db.fetch("SELECT id FROM search_queue")
    await add_riser(db, "fast_video1", 0, 100, found_by=row["id"])
    for _ in range(2):
        await add_breakout(db, "fast_video1", ended_at=None if _ else (await db.fetch("SELECT now() AS n"))[0]["n"])
    (found,) = json.loads((await invoke_maia("query", "queries-that-pay", "--json")).out)
    assert found == {"query": "Lofi", "searches": 10, "new_videos": 25, "new_per_search": 2.5, "broke_out": 1}


@pytest.mark.parametrize(
    ("runs", "missing"),
    [
        ([], []),
        ([(60, 59)], []),
        ([(500, 499), (400, 399)], [(399, None, "since the last run"), (499, 400, "between two runs")]),
        ([(500, 480), (495, 200), (190, None)], []),
        ([(500, None)], [(500, None, "since the last run")]),
    ],
    ids=["no run", "a good run", "two runs", "one at work", "one that was killed"],
)
async def test_gaps_are_pauses_of_the_tracker_also_the_one_that_lasts(
    db: Database, runs: list[tuple[int, int | None]], missing: list[tuple[int, int | None, str]]
) -> None:
    (now,) = (await db.fetch("SELECT now() AS at"))[0]

    def ago(minutes: int | None) -> datetime | None:
        return None if minutes is None else now - timedelta(minutes=minutes)

    for run in runs:
        await db.fetch(
            "INSERT INTO runs (id, agent, clock, started_at, finished_at) "
            "VALUES (gen_random_uuid(), 'tracker', '1x', $1, $2)",
            *map(ago, run),
        )
    found = json.loads((await invoke_maia("query", "gaps", "--json")).out)
    times = [[gap[at] and datetime.fromisoformat(gap[at]) for at in ("began_at", "ended_at")] for gap in found]
    assert times == [[ago(began), ago(ended)] for began, ended, _ in missing]
    assert [gap["details"] for gap in found] == [details for _, _, details in missing]


async def test_a_statement_of_the_users_own_in_three_forms(videos: None) -> None:
    statement = (
        "-- mine\nSELECT id, interval '90 s' AS span, NULL AS nothing, 10::numeric AS id, '{1,2}'::int[] AS list, "
        "'2026-11-22T12:00Z'::timestamptz AS at, 'NaN'::float8 AS nan FROM videos ORDER BY 1;"
    )
    (first, _) = json.loads((await invoke_maia("query", "--json", "--", statement)).out)
    assert first == {
        "id": "fast_video1", "span": 90, "nothing": None, "id_2": 10, "list": [1, 2],
        "at": "2026-11-22T12:00:00.000000Z", "nan": None,
    }  # fmt: skip
    head, row, _ = csv.reader(io.StringIO((await invoke_maia("query", "--csv", "--", statement)).out))
    assert head == ["id", "span", "nothing", "id", "list", "at", "nan"]
    assert row == ["fast_video1", "90.0", "", "10", "[1,2]", "2026-11-22T12:00:00.000000Z", "nan"]
    lines = (await invoke_maia("query", "--limit", "1", "--", statement)).out.splitlines()
    assert lines[1].split() == ["fast_video1", "1m", "10", "[1,2]", "2026-11-22T12:00Z", "nan"]


async def test_rows_are_bounded_and_it_is_said(videos: None) -> None:
    done = await invoke_maia("query", "SELECT n FROM generate_series(1, 1000000) AS n", "--limit", "2", "--csv")
    assert (done.code, done.out) == (0, "n\n1\n2\n")
    assert "more than 2 rows" in done.stderr
    wide = ", ".join(f"'{'x' * 30}' AS column_{n}" for n in range(9))
    assert "2.\n" not in (await invoke_maia("query", f"SELECT {wide}")).out
    assert (await invoke_maia("query", f"SELECT {wide}")).out.startswith("1.\ncolumn_0  xxx")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT 1; SELECT 2", "only one statement is run"),
        ("SELECT 1; COMMIT; DROP TABLE videos", "only one statement is run"),
        ("DELETE FROM videos", "begins with SELECT"),
        ("/* SELECT */ DROP TABLE videos", "begins with SELECT"),
        ("COPY videos TO PROGRAM 'cat'", "begins with SELECT"),
        ("EXPLAIN ANALYZE DELETE FROM videos", "begins with SELECT"),
        ("WITH gone AS (DELETE FROM videos RETURNING id) SELECT * FROM gone", "does more than read"),
        ("SELECT id INTO copied FROM videos", "does more than read"),
        ("SELECT nextval('search_queue_id_seq')", "does more than read"),
        ("SELECT set_config('transaction_read_only', 'off', true)", "read-write mode"),
        ("SELECT\nnothing", "at line 2: column"),
        ("SELECT * FROM video", 'relation "video" does not exist'),
        ("SELECT $1", "expects 1 argument"),
        ("fastst", "did you mean fastest?"),
        ("fastest --csv", "begins with SELECT"),
    ],
)
async def test_anything_else_is_refused_and_changes_nothing(
    videos: None, db: Database, statement: str, said: str
) -> None:
    done = await invoke_maia("query", statement)
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.stderr.split())
    assert len(await db.fetch("SELECT FROM videos")) == 2


async def test_nothing_of_a_read_only_transaction_is_kept(db: Database, other: asyncpg.Connection) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await other.add_listener("news", lambda *parts: heard.put_nowait(parts[-1]))
    for statement in (
        "SELECT pg_notify('news', 'by a question')", "SELECT set_config('search_path', 'elsewhere', false)",
        "SELECT lo_create(4711)", "SELECT set_config('application_name', 'elsewhere', false)",
    ):  # fmt: skip
        with contextlib.suppress(QuestionRefused):  # large objects, from PostgreSQL 16 on
            await QuestionsDAO().ask(statement, limit=1)
    assert await other.fetch("SELECT FROM pg_largeobject_metadata") == []
    (row,) = await db.fetch(
        "SELECT current_setting('search_path') AS path, current_setting('application_name') AS name"
    )
    assert "elsewhere" not in row.values()
    await db.fetch("SELECT pg_notify('news', 'afterwards')")
    async with asyncio.timeout(PATIENCE):
        assert await heard.get() == "afterwards"


async def test_a_statement_ends_after_its_time(db: Database) -> None:
    with pytest.raises(StatementFailed, match=r"took longer than 0\.1 s"):
        await QuestionsDAO().ask("SELECT pg_sleep(60)", limit=1, seconds=0.1)


async def test_without_a_name_the_questions_are_listed() -> None:
    done = await invoke_maia("query")
    assert [line.split()[0] for line in done.out.splitlines()[:-1]] == list(questions())
    assert max(map(len, done.out.splitlines())) <= 80
    assert len(questions()) >= 10
