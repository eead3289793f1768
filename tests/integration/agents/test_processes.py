"""Agents as processes: how each ends, and what it leaves behind in the database, in its result file and on stderr."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.config.keypool import fingerprint
from atlas.database import Database
from atlas.quota.buckets import Bucket
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import PATIENCE, Children, Ended
from ...support.agents import (
    HUNTING,
    Timeline,
    assert_every_call_is_counted,
    discover,
    fetch,
    nothing_is_claimed,
    pool,
    value,
)
from ...support.databases import execute
from ...support.fake_secrets import DATABASE_PASSWORD, HF_TOKEN, NOTIFY_TOKEN, PLANTED, PREFECT_KEY
from ...support.secrets_plugin import shown
from ...support.tcp_proxy import Wire

pytestmark = pytest.mark.integration

QUERIES = ("python", "guitar", "cooking", "news", "travel")
IMPATIENT = (
    sys.executable,
    "-c",
    # the same program, with less patience for a lost database than the half minute that users have
    "import atlas.db.retries as r; r.SECONDS, r.START_SECONDS = 3.0, 1.0; from maia.cli import main; main()",
)


async def both(children: Children, *arguments: str, **options: object) -> tuple[Ended, Ended]:
    """A Hunter and a Tracker at the same time."""
    hunter, tracker = await asyncio.gather(
        children.run("hunter", *arguments, **options), children.run("tracker", *arguments, **options)
    )
    return hunter, tracker


def check(ended: Ended, code: int, outcome: str, *words: str, shows: str = "") -> None:
    """The exit code, the result file that agrees with it, and the one line that says why."""
    assert ended.code == code, ended.stderr
    assert ended.result is not None
    assert (ended.result["outcome"], ended.result["exit_code"]) == (outcome, code)
    assert set(ended.result) - {"error"} == {
        "agent", "shard", "outcome", "exit_code", "started_at", "finished_at", "stats",
    }  # fmt: skip
    assert shows in ended.stdout
    assert shows or ended.stdout == ""
    assert "Traceback" not in ended.stderr
    if code == 0:
        assert ended.reason == ""
        assert "error" not in ended.result
        return
    for word in words:
        assert word in ended.reason
    assert ended.result["error"].rstrip(".") in ended.reason
    assert ended.stderr.rstrip().splitlines()[-1] == ended.reason, "the reason is the last word"


async def snapshots_since(db: Database, timeline: Timeline) -> set[str]:
    rows = await fetch(db, "SELECT video_id FROM video_stats_log WHERE observed_at > $1", timeline.at)
    return {row["video_id"] for row in rows}


# ── rate limits, quota, keys ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_plain_429_is_a_churn_and_what_was_answered_is_stored(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    tracked = await discover(db, api, timeline, "python", "guitar", "cooking", "news")
    await QueueDAO().add(list(QUERIES))
    before = {row["query_term"]: row["searches"] for row in await fetch(db, "SELECT * FROM search_queue")}
    api.faults.set(["rate-limit:search:after=2", "rate-limit:batchGetStats:after=1"])
    hunter, tracker = await both(children, "--batch-size", "200")
    check(hunter, 75, "churn", "maia hunter: ", "came too fast", "start a fresh container")
    check(tracker, 75, "churn", "maia tracker: ", "came too fast")
    answered = api.log.calls("search", status=200)
    assert len(answered) == 2
    rows = await fetch(db, "SELECT * FROM search_queue")
    searched = {row["query_term"] for row in rows if row["searches"] > before.get(row["query_term"], 0)}
    assert searched == {entry.params["q"] for entry in answered}
    stored = {row["id"] for row in await fetch(db, "SELECT id FROM videos")}
    assert stored >= {id_ for entry in answered for id_ in entry.ids}
    (stats,) = api.log.calls("batchGetStats", status=200)
    assert len(stats.ids) == 50
    assert set(stats.ids) <= await snapshots_since(db, timeline)
    assert set(stats.ids) <= set(tracked)
    assert hunter.result is not None
    assert tracker.result is not None
    assert hunter.result["stats"]["searches"] == 2
    assert tracker.result["stats"]["updated"] == 50
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)
    runs = await fetch(db, "SELECT agent, outcome, exit_code, stats FROM runs ORDER BY agent")
    assert [tuple(row.values()) for row in runs] == [
        ("hunter", "churn", 75, hunter.result["stats"]),
        ("tracker", "churn", 75, tracker.result["stats"]),
    ]


async def test_a_429_that_names_a_day_limit_goes_to_the_next_key_and_is_remembered(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    await discover(db, api, timeline, "python")
    spent = fingerprint(HUNTING[0])
    api.faults.add(f"quota:search:key={HUNTING[0]}")
    await QueueDAO().add(list(QUERIES))
    check(await children.run("hunter", "--batch-size", "2"), 0, "ok")
    refused = api.log.calls("search", key=spent)[0]
    assert refused.status == 429, "search quota is refused with 429"
    asked = len(api.log.calls("search", key=spent))
    for shard in ("0/2", "1/2"):
        check(await children.run("hunter", "--batch-size", "1", "--shard", shard), 0, "ok")
    assert len(api.log.calls("search", key=spent)) == asked, "no later process asks it"
    assert len(api.log.calls("search", status=200)) == 4
    assert api.log.calls("videos", key=spent), "its other buckets go on"
    await assert_every_call_is_counted(db, api)


async def test_every_key_spent_is_no_failure(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    await discover(db, api, timeline, "python", "guitar", "cooking", "news")
    api.quota.limits[Bucket.SEARCH] = 2
    api.quota.limits[Bucket.BATCH] = 1
    api.quota.limits[Bucket.UNITS] = 0
    await QueueDAO().add(["travel", "football", "rust", "minecraft", "music"])
    hunter, tracker = await both(children, "--batch-size", "500", HUNTER_MAX_SEARCHES_PER_RUN="8")
    check(hunter, 0, "quota-exhausted")
    check(tracker, 0, "quota-exhausted")
    assert hunter.result is not None
    assert tracker.result is not None
    assert hunter.result["stats"]["searches"] == 2, "what the first key had left after the four before"
    assert tracker.result["stats"]["updated"] == 100
    assert "has spent the day's 'search' quota" in hunter.stderr
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)
    calls = len(api.log)
    for ended in await both(children):
        check(ended, 0, "quota-exhausted")
    assert len(api.log) == calls


async def test_only_wrong_keys_are_a_matter_of_configuration(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    await discover(db, api, timeline, "python")
    wrong = pool(("wrong-hunting-1", "wrong-hunting-2"), ("wrong-tracking",))
    await QueueDAO().add(list(QUERIES))
    for ended in await both(children, YOUTUBE_API_KEY_POOL_JSON=wrong):
        check(ended, 78, "config", "is wrong or blocked", "API_KEY_INVALID", "YOUTUBE_API_KEY_POOL_JSON", "maia keys")
        assert "wrong-" not in ended.stderr
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)


async def test_only_server_errors_are_a_failure(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    await discover(db, api, timeline, "python")
    await QueueDAO().add(list(QUERIES))
    api.faults.add("backend-error")
    hunter, tracker = await both(children)
    check(hunter, 1, "failure", "10 of 10 searches failed: 500 backendError (10)")
    check(tracker, 1, "failure", "50 of 50 videos failed: 500 backendError (50)")
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)


# ── database and settings ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_database_that_cannot_be_reached(
    db: Database, api: RunningSandbox, children: Children, wire: Wire
) -> None:
    await wire.cut()
    began = time.monotonic()
    for ended in await both(children, command=IMPATIENT, DATABASE_URL=wire.dsn(password="S3cret")):
        check(ended, 69, "unavailable", "cannot be reached", "DATABASE_URL")
        assert "S3cret" not in ended.stderr
    assert time.monotonic() - began < 20


async def test_connections_that_break_in_mid_run_cost_nothing(
    db: Database, dsn: str, api: RunningSandbox, timeline: Timeline, children: Children, wire: Wire
) -> None:
    await discover(db, api, timeline, *QUERIES)
    await QueueDAO().add(["football", "minecraft", "music", "shorts", "rust"])
    api.faults.set([f"slow:{endpoint}:seconds=0.3" for endpoint in ("search", "videos", "batchGetStats")])
    running = asyncio.create_task(both(children, "--batch-size", "500", DATABASE_URL=wire.dsn()))
    for calls in (1, 8, 16):
        await api.log.wait_for(lambda log, calls=calls: len(log) >= calls)  # type: ignore[misc]
        wire.break_connections()
        await terminate_others(dsn)
    hunter, tracker = await running
    check(hunter, 0, "ok")
    check(tracker, 0, "ok")
    assert wire.connections > 4, "they came back"
    assert hunter.result is not None
    assert tracker.result is not None
    assert hunter.result["stats"]["failed"] == tracker.result["stats"]["failed"] == 0
    assert tracker.result["stats"]["updated"] == tracker.result["stats"]["targets"] > 200
    found = {id_ for entry in api.log.calls("search", status=200) for id_ in entry.ids}
    assert found <= {row["id"] for row in await fetch(db, "SELECT id FROM videos")}
    assert await nothing_is_claimed(db)


async def terminate_others(dsn: str) -> None:
    """Ends every other session of this database, the test's own pool included, which comes back like the agents'."""
    await execute(
        dsn,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


async def test_a_database_that_does_not_come_back(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children, wire: Wire
) -> None:
    await discover(db, api, timeline, *QUERIES)
    await QueueDAO().add(["football", "minecraft", "music", "shorts", "rust"])
    # of each agent one call is answered at once, the others are in flight when the database is lost
    api.faults.set(["slow:search:after=1:seconds=3", "slow:batchGetStats:after=1:seconds=3"])
    running = asyncio.create_task(
        both(children, "--batch-size", "500", command=IMPATIENT, DATABASE_URL=wire.dsn(password="S3cret"))
    )
    await api.log.wait_for(lambda log: bool(log.calls("search")) and bool(log.calls("batchGetStats")))
    await wire.cut()
    lost_at = time.monotonic()
    hunter, tracker = await running
    assert time.monotonic() - lost_at < 15, "its patience is spent once, not for every statement"
    for ended in (hunter, tracker):
        check(ended, 69, "unavailable", "cannot be reached")
        assert "S3cret" not in ended.stderr
        assert ended.result is not None
        assert ended.result["stats"]["calls"], "what was done is told all the same"


async def test_wrong_arguments(children: Children) -> None:
    wrong = (["--batch-size", "0"], ["--shard", "4/4"], ["--cycles", "2", "--max-minutes", "1"], ["--nonsense"])
    for ended in await asyncio.gather(*(children.run("hunter", *arguments) for arguments in wrong)):
        assert ended.code == 2, ended.stderr
        assert "Usage: maia hunter" in ended.stderr
        assert "Traceback" not in ended.stderr


# ── signals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_in_mid_work_stores_what_is_answered(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children, signum: signal.Signals, code: int
) -> None:
    await discover(db, api, timeline, "guitar", "cooking", "news", "travel")
    await db.fetch("DELETE FROM search_queue")
    await QueueDAO().add(["python", "football", "rust"])
    # of each agent one call is answered at once, the others are in flight when the signal comes
    api.faults.set(["slow:search:after=1:seconds=1.5", "slow:batchGetStats:after=1:seconds=1.5"])
    processes = [await children.start(agent, "--batch-size", "150") for agent in ("hunter", "tracker")]
    await api.log.wait_for(lambda log: bool(log.calls("search")) and bool(log.calls("batchGetStats")))
    for child in processes:
        child.process.send_signal(signum)
    hunter, tracker = [await child.end() for child in processes]
    check(hunter, code, "cancelled", f"stopped by {signum.name}")
    check(tracker, code, "cancelled", f"stopped by {signum.name}")
    searched = api.log.calls("search")
    assert len(searched) == 3, "what was in flight is waited for"
    stored = {row["id"] for row in await fetch(db, "SELECT id FROM videos")}
    assert stored >= {id_ for entry in searched for id_ in entry.ids}
    assert await value(db, "SELECT count(*) FROM search_queue WHERE searches = 1") == 3
    counted = {id_ for entry in api.log.calls("batchGetStats") for id_ in entry.ids}
    assert (
        await value(
            db, "SELECT count(*) FROM videos WHERE last_updated_at > $1 AND id = ANY ($2)", timeline.at, list(counted)
        )
        == len(counted)
        > 0
    )
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)


async def test_a_signal_waits_no_longer_than_its_grace_and_keeps_the_searches_that_were_paid_for(
    db: Database, api: RunningSandbox, children: Children
) -> None:
    await QueueDAO().add(list(QUERIES[:4]))
    # of one shard, a search is answered and the other is not for ages; of the other, an enrichment is not
    api.faults.set(
        ["slow:search:agent=hunter 0/2:after=1:seconds=60", "slow:videos:agent=hunter 1/2:after=1:seconds=60"]
    )
    processes = [await children.start("hunter", "--batch-size", "2", "--shard", f"{shard}/2") for shard in range(2)]
    await api.log.wait_for(
        lambda log: bool(log.calls("search", agent="0/2")) and bool(log.calls("videos", agent="1/2"))
    )
    async with asyncio.timeout(PATIENCE):
        while await value(db, "SELECT sum(reserved) FROM api_calls") < 4 + 2:
            await asyncio.sleep(0.02)  # polling: until the slow ones are on their way too
    began = time.monotonic()
    for child in processes:
        child.process.send_signal(signal.SIGTERM)
    for child in processes:
        check(await child.end(), 143, "cancelled")
    assert 4 < time.monotonic() - began < 8.5, "docker and GitHub kill after 10 s and 7.5 s"
    answered = api.log.calls("search")
    assert len(answered) == 3
    stored = {row["id"]: row["enriched_at"] for row in await fetch(db, "SELECT * FROM videos")}
    assert set(stored) == {id_ for entry in answered for id_ in entry.ids}
    (enriched,) = api.log.calls("videos")
    assert {id_ for id_, at in stored.items() if at is not None} == set(enriched.ids)
    searched = await fetch(db, "SELECT query_term FROM search_queue WHERE searches = 1")
    assert {row["query_term"] for row in searched} == {entry.params["q"] for entry in answered}
    assert await nothing_is_claimed(db)


# ── the command line ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_entries_are_one_command(db: Database, api: RunningSandbox, children: Children) -> None:
    scripts = Path(sys.executable).parent
    commands = [
        ((sys.executable, "-m", "maia"), ("hunter",)),
        ((str(scripts / "maia"),), ("hunter",)),
        ((str(scripts / "maia-hunter"),), ()),
        ((str(scripts / "maia-tracker"),), ()),
    ]
    *hunters, tracker = await asyncio.gather(
        *(children.run(*arguments, "--shard", "1/4", command=command) for command, arguments in commands)
    )
    for ended in hunters:
        check(ended, 0, "idle")
    results = [{**(ended.result or {}), "started_at": "", "finished_at": ""} for ended in hunters]
    assert results[0] == results[1] == results[2]
    assert (results[0]["agent"], results[0]["shard"]) == ("hunter", "1/4")
    assert 'maia queue add "your query"' in results[0]["stats"]["reason"]
    assert tracker.result is not None
    assert tracker.result["agent"] == "tracker"


async def test_cycles_and_minutes(db: Database, api: RunningSandbox, timeline: Timeline, children: Children) -> None:
    tracked = await discover(db, api, timeline, *QUERIES)
    await db.fetch("DELETE FROM search_queue WHERE source = 'tag'")
    await db.fetch("UPDATE search_queue SET status = 'active', next_page_token = NULL, page = 0")
    hunter, tracker = await asyncio.gather(
        children.run("hunter", "--batch-size", "2", "--cycles", "2", HUNTER_TAGS_PER_VIDEO="0"),
        children.run("tracker", "--batch-size", "50", "--max-minutes", "5"),
    )
    # by itself: it takes as many of the same queries as its time allows
    few = await children.run("hunter", "--max-minutes", "0.02", "--batch-size", "1", HUNTER_TAGS_PER_VIDEO="0")
    check(hunter, 0, "ok")
    assert hunter.result is not None
    assert (hunter.result["stats"]["cycles"], hunter.result["stats"]["searches"]) == (2, 4)
    check(tracker, 0, "ok")
    assert tracker.result is not None
    assert tracker.result["stats"]["cycles"] > 2, "until nothing is due"
    assert tracker.result["stats"]["updated"] >= len(tracked)
    check(few, 0, "ok")


async def test_json_logs_are_json(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children, tmp_path: Path
) -> None:
    await discover(db, api, timeline, "python")
    await QueueDAO().add(list(QUERIES))
    api.faults.set(["rate-limit:search:after=1", "backend-error:videos"])
    file = tmp_path / "another" / "result.json"
    hunter, tracker = await asyncio.gather(
        children.run("hunter", "--json-logs", "--result-file", str(file)), children.run("tracker", "--json-logs", "-v")
    )
    assert (hunter.code, tracker.code) == (75, 0)
    for ended in (hunter, tracker):
        lines = [line for line in ended.stderr.splitlines() if line != ended.reason]
        assert len(lines) >= 2
        for line in lines:
            assert {"time", "level", "logger", "message"} <= set(json.loads(line))
    assert json.loads(file.read_text())["exit_code"] == 75, "the option wins over MAIA_RESULT_FILE"
    assert hunter.result is None


# ── secrets ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_no_secret_is_written_anywhere(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children, wire: Wire, vault_folder: Path
) -> None:
    wrong = {"a wrong key": "AIzaPlantedHuntingKey0123456789abcdefgh", "another": "planted.tracking.key"}
    secrets = tuple(wrong.values())
    keys = pool((secrets[0], HUNTING[1]), (secrets[1],))
    password = quote(DATABASE_PASSWORD, safe="")
    environment = {
        "DATABASE_URL": wire.dsn(password=password),
        "YOUTUBE_API_KEY_POOL_JSON": keys,
        "HF_TOKEN": HF_TOKEN,
        "PREFECT_API_KEY": PREFECT_KEY,
        "NOTIFY_URLS": f"json://127.0.0.1:9/{NOTIFY_TOKEN}",
    }
    await discover(db, api, timeline, "python")
    await QueueDAO().add(list(QUERIES))
    said: list[str] = []

    async def run(*arguments: str, **more: str) -> None:
        for ended in await both(children, "-v", *arguments, **{**environment, **more}):
            said.extend((ended.stdout, ended.stderr, json.dumps(ended.result)))

    await run()  # a wrong key among good ones, and only a wrong one
    api.faults.set(["cut:search:times=2", "broken-json:videos:times=1", "rate-limit:search:after=3"])
    await run("--json-logs")
    await run(DATABASE_URL=f"postgresql://postgres:{password}@127.0.0.1:{wire.port}/no_such_database")
    await run(YOUTUBE_API_KEY_POOL_JSON=keys[:-1])
    await wire.cut()
    for ended in await both(children, "-v", command=IMPATIENT, **environment):
        assert ended.code == 69
        said.extend((ended.stdout, ended.stderr, json.dumps(ended.result)))
    tables = await fetch(db, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(tables) >= 9
    for table in tables:
        rows = await fetch(db, f'SELECT t::text AS row FROM "{table["tablename"]}" AS t')
        said.extend(row["row"] for row in rows)
    said.extend(file.read_text() for file in vault_folder.rglob("*.json"))
    text = "\n".join(said)
    assert fingerprint(secrets[0]) in text, "keys are named by their fingerprints"
    assert "no_such_database" in text
    assert len(text) > 100_000
    shown("what was said", text, secrets=PLANTED | wrong)
    for secret in (*wrong.values(), *PLANTED.values()):
        assert secret not in text
