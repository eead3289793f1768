"""`maia plan` and `maia verdict` as processes: around the waves of a run, and how each ends."""

from __future__ import annotations

import asyncio
import contextlib
import io
import signal
import sys
from typing import Any

import pytest

from atlas import events
from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from atlas.db.server_info import SCHEMA_VERSION
from atlas.quota.buckets import Bucket
from atlas.utils import KeyRing
from maia.cli import main
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children, Ended
from ...support.agents import HUNTING, Timeline, discover, fetch, pool, value
from ...support.database_logins import ROLES
from ...support.earlier_schema import down

pytestmark = [pytest.mark.integration, pytest.mark.wheel]

RUN = "20260-1"


def check(ended: Ended, outcome: str, code: int = 0, *words: str) -> dict[str, Any]:
    """The exit code, the result file that agrees with it, and the one line that says why. Returns the stats."""
    assert ended.code == code, ended.stderr
    assert ended.result is not None, ended.stderr
    assert (ended.result["outcome"], ended.result["exit_code"]) == (outcome, code)
    assert ended.result["shard"] == "0/1"
    assert "Traceback" not in ended.stderr
    if code:
        last = ended.stderr.rstrip().splitlines()[-1]
        assert last.startswith(f"maia {ended.result['agent']}: ")
        assert ended.result["error"].rstrip(".") in last
        for word in words:
            assert word in last
    else:
        assert "error" not in ended.result
    return dict(ended.result["stats"])


async def test_a_plan_says_how_many_shards_and_is_a_row_of_the_run(
    db: Database, api: RunningSandbox, children: Children
) -> None:
    (children.folder / "queries.txt").write_text(f"# mine\nguitar\n{'x' * 501}\ncooking  show\n")
    arguments = ("--batch-size", "1", "--max-shards", "3", "--queries", "queries.txt")
    ended = await children.run("plan", "hunter", *arguments, MAIA_RUN_ID=RUN)
    stats = check(ended, "ok")
    assert ended.stdout == ""
    assert stats == {
        "agent": "hunter", "shards": 2, "wave": 1, "due": 2, "unfinished": 0, "queries_new": 2, "outcome": "ok",
        "calls_left": {"search": 200, "units": 20_000, "batchGetStats": 20_000},
        "reason": "2 due queries, calls left: 'search' 200: 2 shards",
    }  # fmt: skip
    assert stats["reason"] in ended.stderr
    assert "a query is not added: line 3 has 501 characters; a query may have 500: xxx" in ended.stderr
    (row,) = await fetch(db, "SELECT * FROM runs")
    assert (row["agent"], row["shard"], row["run_id"], row["wave"]) == ("plan", "0/1", RUN, 1)
    assert (row["outcome"], row["exit_code"], row["stats"]) == ("ok", 0, stats)
    assert not api.log, "a plan asks YouTube nothing"


async def test_shards_that_churned_are_counted_by_the_next_wave_and_shown_by_the_verdict(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    await QueueDAO().add(["python", "guitar", "cooking", "news"])
    # of three shards, two meet a rate limit at their first call
    api.faults.set([f"rate-limit:search:agent=hunter {shard}/3" for shard in (0, 2)])
    wave = {"MAIA_RUN_ID": RUN, "MAIA_WAVE": "1"}
    shards = await asyncio.gather(
        *(children.run("hunter", "--batch-size", "1", "--shard", f"{n}/3", **wave) for n in range(3))
    )
    assert [ended.code for ended in shards] == [75, 0, 75]
    rows = await fetch(db, "SELECT shard, run_id, wave, outcome FROM runs ORDER BY shard")
    assert [tuple(row.values()) for row in rows] == [
        ("0/3", RUN, 1, "churn"), ("1/3", RUN, 1, "ok"), ("2/3", RUN, 1, "churn"),
    ]  # fmt: skip

    arguments, at_once = ("plan", "hunter", "--batch-size", "1", "--wave", "2"), {"MAIA_WAVE_PAUSE_SECONDS": "0"}
    stats = check(await children.run(*arguments, MAIA_RUN_ID=RUN, **at_once), "ok")
    assert (stats["shards"], stats["churned"], stats["wave"]) == (2, 2, 2)
    assert stats["due"] >= 3, "more is due, and no more shards start than churned"
    shards = await asyncio.gather(
        *(children.run("hunter", "--shard", f"{n}/2", MAIA_RUN_ID=RUN, MAIA_WAVE="2") for n in range(2))
    )
    assert [ended.code for ended in shards] == [0, 0]
    assert await value(db, "SELECT count(*) FROM search_queue WHERE source = 'user' AND searches = 0") == 0
    stats = check(await children.run("plan", "hunter", MAIA_RUN_ID=RUN, MAIA_WAVE="3"), "idle")
    assert (stats["shards"], stats["reason"]) == (0, "no shard of wave 2 met a rate limit")

    ended = await children.run("verdict", "hunter", MAIA_RUN_ID=RUN, COLUMNS="200")
    stats = check(ended, "ok")
    shown = [(row["wave"], row["shard"], row["outcome"], row["exit_code"]) for row in stats["rows"]]
    assert shown == [
        (1, "0/3", "churn", 75), (1, "1/3", "ok", 0), (1, "2/3", "churn", 75), (2, "0/2", "ok", 0), (2, "1/2", "ok", 0),
    ]  # fmt: skip
    assert all(0 <= row["seconds"] < 60 for row in stats["rows"]), "of a churn, a few hundredths"
    assert stats["totals"]["searches"] == sum(row["stats"]["searches"] for row in stats["rows"]) >= 4
    assert stats["totals"]["calls"]["search"] == len(api.log.calls("search", counted=True))
    assert stats["totals"]["calls_refused"]["search"] == len(api.log.calls("search", counted=False)) == 2
    lines = [line.split() for line in ended.stdout.splitlines() if line.split()[:1] in (["1"], ["2"])]
    assert [(line[0], line[1], line[2], line[3]) for line in lines] == [
        tuple(str(cell) for cell in cells) for cells in shown
    ]
    assert "came too fast for YouTube" in ended.stdout
    assert f"achieved: {stats['totals']['videos_new']} new videos, " in ended.stdout
    said = "why not more: 2 of 3 shards of wave 1 met YouTube's rate limit (0/3, 2/3); wave 2 went on"
    assert said in ended.stdout.splitlines()
    assert await value(db, "SELECT count(*) FROM runs WHERE agent = 'verdict'") == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_the_pause_before_a_wave_ends_at_a_signal(
    db: Database, api: RunningSandbox, children: Children, number: signal.Signals, code: int
) -> None:
    row = events.Run("hunter", "0/1", run_id=RUN, wave=1)
    await row.begin()
    await row.finish("churn", 75, {}, None)
    await QueueDAO().add(["python"])
    child = await children.start("plan", "hunter", MAIA_RUN_ID=RUN, MAIA_WAVE="2", MAIA_WAVE_PAUSE_SECONDS="3600")
    assert child.process.stderr is not None
    async with asyncio.timeout(60):
        while b"waiting" not in (line := await child.process.stderr.readline()):
            assert line, "it ended without a pause"
    child.process.send_signal(number)
    ended = await child.end()
    assert (ended.code, ended.result and ended.result["outcome"]) == (code, "cancelled"), ended.stderr
    assert await value(db, "SELECT outcome FROM runs WHERE agent = 'plan'") == "cancelled"


async def test_a_verdict_shows_the_killed_and_works_without_any_row(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children
) -> None:
    ended = await children.run("verdict", "tracker", MAIA_RUN_ID=RUN, YOUTUBE_API_KEY_POOL_JSON=None)  # needs no key
    assert check(ended, "ok") == {"agent": "tracker", "rows": [], "totals": {}}
    assert ended.stdout == "No tracker of this run has begun.\n"
    await discover(db, api, timeline, "python")
    api.faults.add("slow:batchGetStats:seconds=60")
    child = await children.start("tracker", MAIA_RUN_ID=RUN, MAIA_WAVE="1")
    async with asyncio.timeout(60):
        while not await value(db, "SELECT count(*) FROM runs WHERE agent = 'tracker' AND run_id IS NOT NULL"):
            await asyncio.sleep(0.05)  # polling: until it has begun
    child.process.send_signal(signal.SIGKILL)
    await child.end()
    ended = await children.run("verdict", "tracker", MAIA_RUN_ID=RUN)
    (row,) = check(ended, "ok")["rows"]
    assert row == {"wave": 1, "shard": "0/1", "outcome": None, "exit_code": None, "seconds": None, "stats": {}}
    assert "killed" in ended.stdout


async def test_what_is_wrong_with_the_configuration_is_named(
    db: Database, api: RunningSandbox, empty_dsn: str, children: Children
) -> None:
    ring = KeyRing("hunting")
    for _ in HUNTING:
        await ring.reject(await ring.acquire(Bucket.SEARCH), reason="API_KEY_INVALID")
    empty = pool((), ())
    cases = [
        (("plan", "hunter"), {}, ("Every key of the ring 'hunting' is wrong or blocked", "API_KEY_INVALID")),
        (("plan", "tracker"), {"YOUTUBE_API_KEY_POOL_JSON": empty}, ("Empty KeyRing", "'tracking'")),
        (("plan", "tracker"), {"DATABASE_URL": empty_dsn}, ("has no Atlas schema", "atlas migrate")),
        (("verdict", "hunter"), {"DATABASE_URL": empty_dsn, "MAIA_RUN_ID": RUN}, ("has no Atlas schema",)),
        (("plan", "tracker", "--wave", "2"), {}, ("MAIA_RUN_ID required", "wave 2")),
        (("verdict", "hunter"), {"MAIA_RUN_ID": ""}, ("MAIA_RUN_ID required",)),
        (("plan", "tracker"), {"MAIA_WAVE": "first"}, ("MAIA_WAVE",)),
    ]
    ends = await asyncio.gather(*(children.run(*arguments, **settings) for arguments, settings, _ in cases))
    for ended, (arguments, _, words) in zip(ends, cases, strict=True):
        check(
            ended, "config", 78, *(word[0].upper() + word[1:] if word.startswith("every") else word for word in words)
        )
        assert ended.result is not None
        assert ended.result["agent"] == arguments[0]
    rows = await fetch(db, "SELECT agent, outcome, exit_code FROM runs")
    assert [tuple(row.values()) for row in rows] == [("plan", "config", 78)]


async def test_a_plan_brings_an_older_schema_up_to_date_where_it_may(
    db: Database, api: RunningSandbox, dsn: str, children: Children
) -> None:
    with settings.override(database_url=dsn):
        await down("0003")
    owner = {"DATABASE_URL": dsn, "MAIA_RUN_ID": RUN}
    older = ("schema is 0003, older than this release's", "Run `atlas migrate`")
    for ended in await asyncio.gather(
        children.run("plan", "tracker", "--no-migrate", **owner),
        children.run("plan", "tracker", "--wave", "2", **owner),
        *([children.run("plan", "tracker")] if ROLES.agent is not None else []),
    ):
        check(ended, "config", 78, *older)
    ended = await children.run("plan", "tracker", **owner)
    check(ended, "idle")
    assert f"the schema was 0003 and is {SCHEMA_VERSION} now" in ended.stderr
    check(await children.run("plan", "tracker"), "idle")


async def test_queries_come_from_standard_input_too(db: Database, api: RunningSandbox, children: Children) -> None:
    piped = ("sh", "-c", 'printf "# mine\\ncafé\\n" | exec "$0" "$@"', sys.executable, "-m", "maia")
    ended = await children.run("plan", "hunter", "--queries", "-", command=piped, LC_ALL="C", PYTHONUTF8="0")
    assert check(ended, "ok")["queries_new"] == 1
    assert await value(db, "SELECT query_term FROM search_queue") == "café"


async def test_wrong_arguments_add_nothing(
    db: Database, api: RunningSandbox, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    (children.folder / "wide.txt").write_bytes("fine\ncafé\n".encode("utf-16"))
    (children.folder / "fine.txt").write_text("fine\n")
    (children.folder / "latin.txt").write_bytes(b"fine\ncaf\xe9\n")
    cases = {
        ("hunter", "--queries", "wide.txt"): "iconv -f UTF-16 -t",
        ("hunter", "--queries", "latin.txt"): "latin.txt cannot be read",
        ("hunter", "--queries", "nowhere.txt"): "nowhere.txt cannot be read",
        ("hunter", "--queries", "fine.txt", "--max-shards", "256"): "--max-shards",
        ("hunter", "--queries", "fine.txt", "--wave", "0"): "--wave",
        ("tracker", "--queries", "fine.txt"): "queries are the Hunter's",
        ("gatherer",): "'gatherer' is not one of 'hunter', 'tracker'",
    }
    monkeypatch.chdir(children.folder)
    for arguments, problem in cases.items():
        with contextlib.redirect_stderr(io.StringIO()) as errors, pytest.raises(SystemExit) as ended:
            await asyncio.to_thread(main, ["plan", *arguments])
        assert ended.value.code == 2, arguments
        assert "Usage: maia plan" in errors.getvalue()
        assert problem in errors.getvalue()
    assert await value(db, "SELECT count(*) FROM search_queue") == 0
