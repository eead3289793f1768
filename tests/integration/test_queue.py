# ruff: noqa: RUF001  the odd characters are what is tested
"""The search queue as people fill it: one query whatever its spelling, in the order given, and what a file may hold."""

from __future__ import annotations

import asyncio
import contextvars
import json
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner

from atlas.adapters import queue
from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database, database
from maia.commands.queue import app

from ..support.commands import invoke_maia, maia
from ..support.database_logins import ROLES, address
from ..support.databases import WAITING
from ..support.fake_secrets import HUNTING

pytestmark = pytest.mark.integration

T = TypeVar("T")


async def claimed(number: int = 1_000) -> list[str]:
    return [row["query_term"] for row in await MaiaDAO("test").fetch_hunter_batch(number)]


async def stored(db: Database) -> list[dict[str, Any]]:
    rows = await db.fetch("SELECT query_term, display_term, status, source FROM search_queue ORDER BY id")
    return [dict(row) for row in rows]


# ── one query, whatever its spelling ────────────────────────────────────────────────────────────────────────────────

SPELLINGS = (
    "Lofi Café", "lofi café", "LOFI CAFE\u0301", "lo\u200bfi  cafe\u0301", "\ufefflofi café", "ｌｏｆｉ café",
    "lofi\u200d café",
)  # fmt: skip


@pytest.mark.parametrize("other", SPELLINGS[1:], ids=ascii)
async def test_another_spelling_is_the_same_query_and_the_latest_is_shown(db: Database, other: str) -> None:
    dao = QueueDAO()
    assert await dao.add([SPELLINGS[0]]) == 1
    (row,) = await dao.list()
    assert (row["query_term"], row["display_term"]) == ("lofi café", "Lofi Café")
    assert await dao.add([other]) == 0
    (row,) = await dao.list()
    assert (row["query_term"], row["display_term"]) == ("lofi café", " ".join(other.split()))
    assert await dao.pause([SPELLINGS[0]]) == {SPELLINGS[0]}
    assert await dao.remove([other]) == {other}
    assert await dao.list() == []


async def test_a_tag_and_a_query_of_the_users_are_one(db: Database) -> None:
    await MaiaDAO().add_to_search_queue(["lofi café"])
    assert await QueueDAO().add(["LoFi Café"]) == 0
    assert await MaiaDAO().add_to_search_queue(["lofi café"]) == 0
    assert await stored(db) == [
        {"query_term": "lofi café", "display_term": "LoFi Café", "status": "active", "source": "user"}
    ]


async def test_operators_and_a_hashtag_are_part_of_a_query_of_up_to_500_characters(db: Database) -> None:
    queries = ['"Street Food"|Ramen -Shorts', "#Shorts", "shorts", "C#", "-music", "x", "日" * 500]
    assert await QueueDAO().add(queries) == len(queries)
    assert await claimed() == ['"street food"|ramen -shorts', "#shorts", "shorts", "c#", "-music", "x", "日" * 500]


@pytest.mark.parametrize("query", ["", " \u200b", "x" * 501, "ß" * 251, "half \ud83d"], ids=ascii)
async def test_what_is_no_query_is_refused_whoever_adds_it(db: Database, query: str) -> None:
    with pytest.raises(ValueError, match=r"no visible character|a query may have 500|no text in UTF-8"):
        await QueueDAO().add(["fine", query])
    assert await stored(db) == []


# ── what an earlier release stored ──────────────────────────────────────────────────────────────────────────────────


async def older(db: Database, *terms: str, status: str = "active", source: str = "user") -> None:
    """Rows as the release before wrote them."""
    for term in terms:
        await db.fetch(
            "INSERT INTO search_queue (query_term, priority, source, status, added_at) VALUES ($1, 5, $2, $3, now())",
            term, source, status,
        )  # fmt: skip


async def test_what_an_earlier_release_stored_gets_its_normal_form(db: Database) -> None:
    await older(db, "Jazz Café", "rust")
    await older(db, "a Tag", source="tag")
    assert await QueueDAO().add(["new"]) == 1
    rows = {row["query_term"]: row["display_term"] for row in await stored(db)}
    assert rows == {"jazz café": "Jazz Café", "rust": "rust", "a Tag": None, "new": "new"}
    assert await QueueDAO().add(["JAZZ CAFÉ", "Rust"]) == 0


@pytest.mark.parametrize(
    ("named", "other", "status"),
    [
        (("lofi", "user", "active"), "active", "active"),
        (("lofi", "user", "paused"), "active", "active"),
        (("lofi", "user", "paused"), "paused", "paused"),
        (("lofi", "tag", "waiting"), "active", "waiting"),
        (None, "active", "active"),
    ],
)
async def test_of_several_spellings_one_is_searched_and_the_others_rest(
    db: Database, named: tuple[str, str, str] | None, other: str, status: str
) -> None:
    await older(db, "Lofi", "LOFI", status=other)
    if named is not None:
        await older(db, named[0], source=named[1], status=named[2])
    await QueueDAO().adopt()
    rows = {row["query_term"]: row for row in await stored(db)}
    assert rows["lofi"]["status"] == status
    assert rows["lofi"]["source"] == "user"
    resting = {term: row for term, row in rows.items() if term != "lofi"}
    assert set(resting) == ({"LOFI"} if named is None else {"Lofi", "LOFI"})
    assert {row["status"] for row in resting.values()} == {"paused"}
    before = await stored(db)
    await QueueDAO().adopt()
    assert await stored(db) == before
    # one that rests goes by its spelling
    assert await QueueDAO().remove(["LOFI"]) == {"LOFI"}
    assert {row["query_term"] for row in await stored(db)} == set(rows) - {"LOFI"}
    assert await QueueDAO().remove(["LOFI"]) == {"LOFI"}  # it has no row of its own any more
    assert {row["query_term"] for row in await stored(db)} == set(resting) - {"LOFI"}


async def behind(db: Database, statement: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What the work returns when it must wait for the transaction of another statement."""
    async with asyncio.timeout(20):
        async with db.transaction():
            await db.fetch(statement)
            # in a context of its own: not in this transaction
            task = asyncio.create_task(work(), context=contextvars.Context())
            while not (await db.fetch(WAITING))[0]["count"]:
                await asyncio.sleep(0.01)
        return await task


async def test_a_normal_form_that_another_process_stores_meanwhile_is_kept(db: Database) -> None:
    await older(db, "LOFI")
    named = "INSERT INTO search_queue (query_term, priority, source, added_at) VALUES ('lofi', 5, 'tag', now())"
    await behind(db, named, QueueDAO(db).adopt)
    rows = {row["query_term"]: (row["source"], row["status"]) for row in await stored(db)}
    assert rows == {"lofi": ("user", "active"), "LOFI": ("user", "paused")}


@pytest.mark.parametrize("change", [QueueDAO.pause, QueueDAO.remove])
async def test_a_query_that_gets_another_id_meanwhile_is_changed(
    db: Database, change: Callable[[QueueDAO, list[str]], Coroutine[Any, Any, frozenset[str]]]
) -> None:
    await QueueDAO().add(["lofi"])
    moved = "UPDATE search_queue SET id = DEFAULT"
    assert await behind(db, moved, lambda: change(QueueDAO(db), ["lofi"])) == {"lofi"}
    assert [row for row in await stored(db) if row["status"] != "paused"] == []


# ── the order ───────────────────────────────────────────────────────────────────────────────────────────────────────


def shuffled(number: int, seed: int = 7) -> list[str]:
    queries = [f"query {n:04}" for n in range(number)]
    random.Random(seed).shuffle(queries)
    return queries


@pytest.mark.parametrize("at_once", [1_000, 7])
async def test_queries_are_searched_in_the_order_given(
    db: Database, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(queue, "_AT_ONCE", at_once)
    queries = shuffled(60)
    # tags that are known already have lower ids than what is new
    await MaiaDAO().add_to_search_queue([queries[50], queries[3]])
    seen: list[tuple[str, int, int]] = []
    assert await QueueDAO().add(queries, progress=lambda *far: seen.append(far)) == 58
    assert [row["query_term"] for row in await QueueDAO().list(100)] == queries
    ids = await db.fetch("SELECT id, query_term FROM search_queue ORDER BY id")
    assert await QueueDAO().add(queries) == 0
    assert await db.fetch("SELECT id, query_term FROM search_queue ORDER BY id") == ids, "none changes its place"
    assert await claimed() == queries
    assert seen == [("adding queries", start, 60) for start in range(at_once, 60, at_once)]


async def test_those_added_first_are_searched_first_and_stay_so(db: Database) -> None:
    dao = QueueDAO()
    await dao.add(["b", "a"])
    assert await dao.add(["z", "a", "y"], first=True) == 2
    assert await dao.add(["y", "c"]) == 1  # as a plan adds the same file at each run
    assert await claimed() == ["z", "a", "y", "b", "c"]


async def test_a_query_that_a_shard_holds_keeps_its_id(db: Database) -> None:
    await MaiaDAO().add_to_search_queue(["held"])
    dao = MaiaDAO("shard")
    (row,) = await dao.fetch_hunter_batch(1)
    await QueueDAO().add(["zebra", "held"])
    assert await dao.update_search_state(row["id"], None, 0, "waiting")


async def test_two_who_add_the_same_in_opposite_orders_both_succeed(db: Database) -> None:
    """Taking the rows in the order given would deadlock."""
    queries = shuffled(400)
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    for attempt in range(3):
        terms = [f"{query} {attempt}" for query in queries]
        tags = MaiaDAO().add_to_search_queue(terms[::3])
        await asyncio.gather(QueueDAO().add(terms), QueueDAO().add(terms[::-1]), tags)
    assert len(await stored(db)) == 3 * 400
    await db.fetch("SELECT pg_stat_force_next_flush()")
    assert (await db.fetch(deadlocks))[0]["deadlocks"] == 0


async def test_an_agents_role_may_seed_the_queue(db: Database, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await older(db, "Lofi", "lofi")
    await database.close()
    monkeypatch.setenv("DATABASE_URL", address(dsn, ROLES.agent))
    settings.reload()
    async with database.session():
        assert await QueueDAO().add(["zebra", "ant"]) == 2
        assert await claimed() == ["lofi", "zebra", "ant"]


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_bad_lines_are_listed_and_the_others_added(db: Database, tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_bytes(("# mine\nZebra\n" + "x" * 501 + "\r\n\n\u200b\r\nant\nZEBRA\n").encode())
    done = await maia("queue", "add", "--file", str(file))
    assert (done.code, done.out) == (0, "2 new, 0 known, 2 lines refused\n")
    assert "line 3 has 501 characters; a query may have 500: xxx" in done.stderr
    assert "line 5 has no visible character: \\u200b" in done.stderr
    assert [row["display_term"] for row in await QueueDAO().list()] == ["Zebra", "ant"]

    strict = CliRunner().invoke(app, ["add", "--strict", "--file", str(file), "new"], env={"COLUMNS": "500"})
    assert strict.exit_code == 2
    assert "2 lines refused, nothing is added" in strict.output


@pytest.mark.parametrize("content", ["", "# a comment\n", "x" * 501])
def test_a_file_without_a_query_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "q.txt"
    file.write_text(content)
    done = CliRunner().invoke(app, ["add", "--file", str(file)], env={"COLUMNS": "500"})
    assert done.exit_code == 2
    assert f"'{file}' holds no query; write one a line" in done.output
    assert ("line 1 has 501 characters" in done.output) is content.startswith("x")
    assert "in quotes" not in done.output


async def test_the_queue_is_one_json_array(db: Database) -> None:
    assert (await maia("queue", "list", "--json")).out == "[]\n"
    await QueueDAO().add(["second"])
    assert (await maia("queue", "add", "--file", "-", "--first", stdin="Lofi Café\n".encode())).code == 0
    await claimed(1)
    first, second = json.loads((await maia("queue", "list", "--json")).out)
    assert (first["query_term"], first["display_term"], first["leased_by"]) == ("lofi café", "Lofi Café", "test")
    assert (second["query_term"], second["leased_by"], second["last_searched_at"]) == ("second", None, None)


@pytest.mark.parametrize("command", ["pause", "remove"])
async def test_what_is_not_in_the_queue_is_named(db: Database, command: str) -> None:
    await QueueDAO().add(["Lofi", "other"])
    done = await maia("queue", command, "LOFI", "Nowhere")
    assert done.code == 1
    assert done.out == f"1 {command}d\n"
    assert done.stderr == "not in the queue: Nowhere\n"
    assert [row["display_term"] for row in await QueueDAO().list() if row["status"] == "active"] == ["other"]


# ── what the queries bring ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("queries", "searches", "line"),
    [(450, 10, "450 queries at 10 searches a day: 45 days a round"), (5, 10, "5 queries at 10 searches a day: 12 h")],
)
async def test_the_last_line_says_how_long_a_round_takes(db: Database, queries: int, searches: int, line: str) -> None:
    await QueueDAO().add([f"query {n}" for n in range(queries + 1)])
    await QueueDAO().pause(["query 0"])
    keys = {"YOUTUBE_API_KEY_POOL_JSON": json.dumps({"hunting": HUNTING[:1]}), "QUOTA_SEARCH_PER_DAY": str(searches)}
    done = await invoke_maia("queue", "list", "--by", "yield", "--limit", "3", **keys)
    assert done.out.splitlines()[-1].startswith(line)
    found = json.loads((await invoke_maia("queue", "list", "--by", "yield", "--json", **keys)).out)
    assert found["round"] == {"queries": queries, "searches_a_day": searches, "days": queries / searches}
    assert found["queries"][0]["searches"] == 0
    assert "no key for hunting" in (await invoke_maia("queue", "list", "--by", "yield")).out


async def test_an_empty_queue_by_yield_says_how_to_fill_it(db: Database) -> None:
    assert "maia queue add" in (await invoke_maia("queue", "list", "--by", "yield")).out
