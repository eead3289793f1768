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
from atlas.config import settings
from atlas.config.keypool import fingerprint
from atlas.database import Database
from maia.cycles import AgentOptions, work
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
HASTY = "import maia.runtime.shutdown as s; s.GRACE_SECONDS = 1.0; from maia.cli import main; main()"


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


@pytest.mark.parametrize(
    ("faults", "environment", "code", "outcome", "hunters", "trackers"),
    [
        (["rate-limit:search:after=2", "rate-limit:batchGetStats:after=1"], {"TRACKER_BATCH_SIZE": "100"}, 75, "churn",
         ("came too fast", "start a fresh container"), ("came too fast",)),
        (["quota"], {}, 0, "quota-exhausted", (), ()),
        (["backend-error"], {}, 1, "failure", ("10 of 10 searches failed: 500 backendError (10)",),
         ("50 of 50 videos failed: 500 backendError (50)",)),
        ([], {"YOUTUBE_API_KEY_POOL_JSON": pool(("wrong-hunting-1", "wrong-hunting-2"), ("wrong-tracking",))},
         78, "config", *[("is wrong or blocked", "API_KEY_INVALID", "YOUTUBE_API_KEY_POOL_JSON", "maia keys")] * 2),
    ],
    ids=["rate limit", "quota", "server errors", "wrong keys"],
)  # fmt: skip
async def test_how_an_agent_ended_is_its_code_its_last_line_its_result_file_and_its_row(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children, faults: list[str],
    environment: dict[str, str], code: int, outcome: str, hunters: tuple[str, ...], trackers: tuple[str, ...],
) -> None:  # fmt: skip
    await discover(db, api, timeline, "python", "guitar")
    await QueueDAO().add(list(QUERIES))
    api.faults.set(faults)
    ends = await both(children, **environment)
    for agent, ended, words in zip(("hunter", "tracker"), ends, (hunters, trackers), strict=True):
        check(ended, code, outcome, f"maia {agent}: " if code else "", *words)
        assert "wrong-" not in ended.stderr
    rows = await fetch(db, "SELECT agent, outcome, exit_code, stats FROM runs ORDER BY agent")
    assert [tuple(row.values()) for row in rows] == [
        (ended.result["agent"], outcome, code, ended.result["stats"]) for ended in ends if ended.result
    ]
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)
    if outcome == "quota-exhausted":
        assert "has spent the day's 'search' quota" in ends[0].stderr
        calls = len(api.log)
        for ended in await both(children):
            check(ended, 0, outcome)
        assert len(api.log) == calls, "no later process asks a spent key"
    if outcome == "churn":
        assert [row["stats"]["searches" if row["agent"] == "hunter" else "updated"] for row in rows] == [2, 50]


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
    hasty = (sys.executable, "-c", HASTY)
    processes = [
        await children.start("hunter", "--batch-size", "2", "--shard", f"{shard}/2", command=hasty)
        for shard in range(2)
    ]
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
    assert 0.9 < time.monotonic() - began < 4.5
    answered = api.log.calls("search")
    assert len(answered) == 3
    stored = {row["id"]: row["enriched_at"] for row in await fetch(db, "SELECT * FROM videos")}
    assert set(stored) == {id_ for entry in answered for id_ in entry.ids}
    (enriched,) = api.log.calls("videos")
    assert {id_ for id_, at in stored.items() if at is not None} == set(enriched.ids)
    searched = await fetch(db, "SELECT query_term FROM search_queue WHERE searches = 1")
    assert {row["query_term"] for row in searched} == {entry.params["q"] for entry in answered}
    assert await nothing_is_claimed(db)


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


async def test_cycles_and_minutes(db: Database, api: RunningSandbox, timeline: Timeline) -> None:
    tracked = await discover(db, api, timeline, *QUERIES)
    await db.fetch("DELETE FROM search_queue WHERE source = 'tag'")
    await db.fetch("UPDATE search_queue SET status = 'active', next_page_token = NULL, page = 0")
    with settings.override(hunter_tags_per_video=0):
        stats = await work("hunter", AgentOptions(batch_size=2, cycles=2))
        assert (stats["outcome"], stats["cycles"], stats["searches"]) == ("ok", 2, 4)
        stats = await work("hunter", AgentOptions(batch_size=1, max_minutes=0.001))
        assert stats["outcome"] == "ok"
    stats = await work("tracker", AgentOptions(batch_size=50, max_minutes=5))
    assert stats["outcome"] == "ok"
    assert stats["cycles"] > 2, "until nothing is due"
    assert stats["updated"] >= len(tracked)


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

    # a wrong key among good ones, and only a wrong one
    api.faults.set(["cut:search:times=2", "broken-json:videos:times=1", "rate-limit:search:after=3"])
    await run()
    await asyncio.gather(
        run("--json-logs"),
        run(DATABASE_URL=f"postgresql://postgres:{password}@127.0.0.1:{wire.port}/no_such_database"),
        run(YOUTUBE_API_KEY_POOL_JSON=keys[:-1]),
    )
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
