"""Plans against a real PostgreSQL: what is due, what may be spent, and what became of a wave."""

from __future__ import annotations

import asyncio
import signal
from datetime import datetime, timedelta
from typing import Any

import pytest

from atlas import events
from atlas.adapters.keys import KeyDAO
from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.config.keypool import fingerprint
from atlas.database import Database
from atlas.database import database as atlas_database
from atlas.errors import KeysRejected
from atlas.quota.buckets import Bucket
from atlas.utils import KeyRing
from maia.commands.verdict import read_run
from maia.run import record_run
from maia.runtime.exitcodes import Outcome
from maia.runtime.exits import CancelledExit
from maia.runtime.run_context import RunContext, run_scope
from maia.runtime.shutdown import Shutdown
from maia.workflow.plan import PlanOptions, make_plan

from ...support.agents import HUNTING, TRACKING, Timeline, fetch, pool, value

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
RESETS = "the quota resets at 2026-11-21T08:00:00Z (in "


@pytest.fixture(autouse=True)
def _settings(db: Database, timeline: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two keys in each ring, no archive, no pause, and the id of a run."""
    monkeypatch.setenv("YOUTUBE_API_KEY_POOL_JSON", pool())
    monkeypatch.setenv("VAULT_PROVIDER", "off")
    monkeypatch.setenv("MAIA_WAVE_PAUSE_SECONDS", "0")
    monkeypatch.setenv("MAIA_RUN_ID", "20-1")
    settings.reload()


async def plan(agent: str, wave: int = 1, **options: Any) -> dict[str, Any]:
    return await make_plan(agent, PlanOptions(**options), wave)


async def shards(agent: str, wave: int = 1, **options: Any) -> int:
    found: int = (await plan(agent, wave, **options))["shards"]
    return found


async def searches_left() -> int:
    found: int = (await plan("hunter"))["calls_left"]["search"]
    return found


async def add_queries(number: int) -> None:
    await QueueDAO().add([f"query {n}" for n in range(number)])


async def add_videos(db: Database, number: int, due: datetime, zone: int = 1, prefix: str = "video") -> None:
    await db.fetch(
        "INSERT INTO videos (id, first_seen_at, zone, due_at, enriched_at, last_updated_at)"
        " SELECT $4 || n, $3::timestamptz - interval '1 day', $2::int, $3, $3, $3"
        " FROM generate_series(1, $1::int) AS n",
        number, zone, due, prefix,
    )  # fmt: skip


async def add_runs(agent: str, wave: int | None, *outcomes: str | None, run_id: str | None = "20-1") -> None:
    for number, outcome in enumerate(outcomes):
        row = events.Run(agent, f"{number}/{len(outcomes)}", run_id=run_id, wave=wave)
        await row.begin()
        if outcome is not None:
            await row.finish(outcome, 75 if outcome == "churn" else 0, {"searches": 2, "calls": {"search": 2}}, None)


async def spend(ring: str, bucket: Bucket, number: int, start: int = 0) -> None:
    """Calls of the ring's first key (of ``start``) that were reserved today."""
    keys = KeyRing(ring, start=start)
    await asyncio.gather(*(keys.acquire(bucket) for _ in range(number)))


async def close(ring: str, bucket: Bucket, start: int = 0, **named: Any) -> None:
    """YouTube says that the bucket of the ring's first key is spent."""
    keys = KeyRing(ring, start=start)
    await keys.quota_spent(await keys.acquire(bucket), **named)


async def reject(ring: str, bucket: Bucket = Bucket.SEARCH, keys: int = 1) -> None:
    """YouTube says that keys of the ring are wrong."""
    for _ in range(keys):
        found = KeyRing(ring)
        await found.reject(await found.acquire(bucket), reason="API_KEY_INVALID")


# ── the Hunter ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_shards_are_started_for_the_queries_that_are_due() -> None:
    stats = await plan("hunter")
    assert (stats["shards"], stats["outcome"]) == (0, "idle")
    assert 'maia queue add "your query"' in stats["reason"]
    in_a_workflow = pytest.importorskip("action.advice").in_a_workflow
    assert in_a_workflow(stats["reason"]).startswith(
        "the search queue is empty: run the workflow Hunter by hand with a "
    )
    await add_queries(25)
    assert await plan("hunter") == {
        "agent": "hunter", "shards": 3, "wave": 1, "queries_new": 0, "due": 25, "unfinished": 0,
        "calls_left": {"search": 200, "units": 20_000, "batchGetStats": 20_000}, "outcome": Outcome.OK,
        "reason": "25 due queries, calls left: 'search' 200: 3 shards",
    }  # fmt: skip
    assert [await shards("hunter", **each) for each in ({"max_shards": 2}, {"batch_size": 25}, {"batch_size": 5})] == [
        2, 1, 4,
    ]  # fmt: skip
    with settings.override(hunter_max_searches_per_run=9):
        assert await shards("hunter", batch_size=25) == 3, "a cap on the searches of a run needs more shards"
    await add_queries(1_100)
    stats = await plan("hunter", max_shards=2, batch_size=5)
    assert (stats["due"], stats["shards"]) == (1_010, 2), "counting ends where it makes no difference"
    assert stats["reason"].startswith("1,010 or more due queries")


async def test_queries_are_due_as_the_claim_sees_it(db: Database, timeline: Timeline) -> None:
    """Active and free, their lease expired, or waiting and their time come; not paused, leased, or waiting still."""
    await add_queries(8)
    for number, change in enumerate(
        (
            "status = 'paused'",
            "leased_until = now() + interval '1 minute', lease_token = gen_random_uuid(), leased_by = 'hunter 0/2'",
            "leased_until = now() - interval '1 second', lease_token = gen_random_uuid(), leased_by = 'hunter 1/2'",
            "status = 'waiting', due_at = $2::timestamptz - interval '1 second'",
            "status = 'waiting', due_at = $2::timestamptz + interval '1 hour'",
        )
    ):
        statement = f"UPDATE search_queue SET {change} WHERE query_term = $1 AND $2::timestamptz IS NOT NULL"
        await db.fetch(statement, f"query {number}", timeline.at)
    counted = (await plan("hunter", batch_size=1))["due"]
    assert counted == len(await MaiaDAO("hunter 0/1").fetch_hunter_batch(100)) == 5
    stats = await plan("hunter")
    assert (stats["shards"], stats["due"], stats["outcome"]) == (0, 0, "idle")
    assert stats["reason"] == "6 due queries are leased by other shards"


async def test_nothing_due_says_when_the_next_is(db: Database, timeline: Timeline) -> None:
    await add_queries(2)
    await db.fetch("UPDATE search_queue SET status = 'waiting', due_at = $1", timeline.at + HOUR)
    stats = await plan("hunter")
    assert (stats["outcome"], stats["reason"]) == ("idle", "no query is due before 2026-11-20T21:00Z")
    assert "run the Hunter first" in (await plan("tracker"))["reason"]
    await add_videos(db, 1, timeline.at + HOUR, zone=3)
    stats = await plan("tracker")
    assert (stats["outcome"], stats["reason"]) == ("idle", "no video is due before 2026-11-20T21:00Z")
    timeline.advance(hours=1, minutes=1)
    assert [await shards("hunter"), await shards("tracker")] == [1, 1]


async def test_queries_are_added_once_before_the_first_wave_alone(db: Database) -> None:
    await QueueDAO().add(["mine", "paused"])
    await QueueDAO().pause(["paused"])
    stats = await plan("hunter", queries=["mine", "paused", "new"])
    assert (stats["queries_new"], stats["due"]) == (1, 3)
    assert (await plan("hunter", queries=["mine", "new"]))["queries_new"] == 0
    assert (await plan("hunter", wave=2, queries=["late"]))["queries_new"] == 0
    assert {row["query_term"] for row in await fetch(db, "SELECT * FROM search_queue")} == {"mine", "paused", "new"}


async def test_videos_that_an_earlier_cycle_left_are_work_too(db: Database, timeline: Timeline) -> None:
    await add_videos(db, 6, timeline.at + HOUR)
    assert (await plan("hunter"))["outcome"] == "idle"
    for id_, change in {
        "video1": "enriched_at = NULL",
        "video2": "enriched_at = NULL, retired_at = now()",
        "video3": "enriched_at = NULL, leased_until = now() + interval '1 minute'",
        "video4": f"enriched_at = NULL, last_absent_at = '{timeline.at - HOUR}'",
        "video5": f"archived_at = '{timeline.at}'",
    }.items():
        await db.fetch(f"UPDATE videos SET {change} WHERE id = $1", id_)
    stats = await plan("hunter")
    assert (stats["unfinished"], stats["shards"], stats["due"]) == (1, 1, 0)
    # a shard would archive them as well: all but those that are archived, or that it could not claim
    with settings.override(vault_provider="huggingface"):
        stats = await plan("hunter")
    assert (stats["unfinished"], stats["shards"]) == (2, 1)
    assert len(await MaiaDAO("hunter 0/1").fetch_unfinished(100, archive=True)) == 2


async def test_without_searches_only_what_units_can_do_is_started(db: Database, timeline: Timeline) -> None:
    await add_queries(100)
    await add_videos(db, 500, timeline.at + HOUR)
    for _ in HUNTING:
        await close("hunting", Bucket.SEARCH)
    stats = await plan("hunter")
    assert (stats["shards"], stats["outcome"]) == (0, "quota-exhausted")
    assert stats["reason"] == f"100 due queries, but no 'search' call is left; {RESETS}12.0 h)"
    await db.fetch("UPDATE videos SET enriched_at = NULL")
    stats = await plan("hunter")
    assert (stats["shards"], stats["outcome"], stats["unfinished"]) == (2, "ok", 500)
    for _ in HUNTING:
        await close("hunting", Bucket.UNITS)
    stats = await plan("hunter")
    assert (stats["shards"], stats["outcome"]) == (0, "quota-exhausted")
    for bucket in ("search", "units"):
        assert f"'{bucket}' call is left; the quota resets at" in stats["reason"]


# ── quota ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_left_is_the_quota_of_the_day_without_what_was_reserved(timeline: Timeline) -> None:
    await spend("hunting", Bucket.SEARCH, 97)
    await spend("hunting", Bucket.SEARCH, 98, start=1)
    await spend("tracking", Bucket.SEARCH, 50)
    await add_queries(30)
    stats = await plan("hunter", batch_size=2)
    assert stats["calls_left"] == {"search": 5, "units": 20_000, "batchGetStats": 20_000}
    assert stats["shards"] == 3, "the calls suffice for no more"
    await spend("hunting", Bucket.SEARCH, 6)
    assert await searches_left() == 2, "a key that spent more than it has takes none away"
    timeline.advance(hours=12)
    assert await searches_left() == 200, "a new Pacific day"


async def test_a_suspended_bucket_has_nothing_left_and_the_lower_limit_counts_on_the_next_day(
    timeline: Timeline,
) -> None:
    await close("hunting", Bucket.SEARCH, limit=30)
    left = (await plan("hunter"))["calls_left"]
    assert left == {"search": 100, "units": 20_000, "batchGetStats": 20_000}
    timeline.advance(hours=13)
    assert await searches_left() == 130, "YouTube named 30"
    with settings.override(quota_search_per_day=20):
        assert await searches_left() == 40
    await close("hunting", Bucket.SEARCH, limit=30)
    assert (await plan("hunter", resume_keys=True))["calls_left"]["search"] == 200, "forgotten with the suspension"


async def test_keys_of_one_project_are_counted_once(db: Database) -> None:
    await spend("hunting", Bucket.UNITS, 100, start=1)
    for ring in ("hunting", "tracking"):
        await close(ring, Bucket.BATCH, project="42")
        await close(ring, Bucket.BATCH, start=1, project="42")
    await spend("tracking", Bucket.UNITS, 23)
    for agent in ("hunter", "tracker"):
        left = (await plan(agent))["calls_left"]
        assert left == {"search": 100, "units": 10_000 - 123, "batchGetStats": 0}
    await close("tracking", Bucket.SEARCH)
    await add_queries(3)
    assert (await plan("hunter"))["outcome"] == "quota-exhausted", "the bucket is closed for all keys of the project"


async def test_a_key_that_is_blocked_adds_nothing_and_a_ring_of_them_is_a_matter_of_configuration(
    db: Database,
) -> None:
    await reject("hunting")
    assert (await plan("hunter"))["calls_left"] == {"search": 100, "units": 10_000, "batchGetStats": 10_000}
    await reject("hunting")
    with pytest.raises(KeysRejected, match="API_KEY_INVALID") as caught:
        await plan("hunter", queries=["python"])
    with pytest.raises(KeysRejected) as by_the_agent:
        await KeyRing("hunting").acquire(Bucket.SEARCH)
    assert str(caught.value) == str(by_the_agent.value)
    assert await value(db, "SELECT count(*) FROM search_queue") == 1, "the queries are kept until it is fixed"
    assert (await plan("tracker"))["outcome"] == "idle"
    assert (await KeyDAO().calls_left(settings.key_rings, "archeology")).number == dict.fromkeys(Bucket, 0)


async def test_the_suspensions_of_the_agents_ring_are_lifted_where_that_is_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "maia.workflow.plan")
    await reject("hunting", keys=len(HUNTING))
    await reject("tracking", Bucket.BATCH)
    await add_queries(1)
    keys = sorted(fingerprint(key) for key in HUNTING)
    stats = await plan("hunter", resume_keys=True)
    assert (stats["keys_resumed"], stats["shards"], stats["calls_left"]["search"]) == (keys, 1, 200)
    for key in keys:
        assert f"suspension lifted: {key} *: API_KEY_INVALID" in caplog.text
    assert (await plan("tracker"))["calls_left"]["batchGetStats"] == 10_000, "of the other ring, one is suspended still"
    assert (await plan("hunter", resume_keys=True))["keys_resumed"] == []
    assert "no key of the ring 'hunting' is suspended" in caplog.text
    await reject("hunting")
    assert await searches_left() == 100, "what YouTube refuses again is suspended again"
    assert "keys_resumed" not in await plan("hunter", wave=2, resume_keys=True)


# ── the Tracker ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_videos_are_due_as_the_claim_sees_it(db: Database, timeline: Timeline) -> None:
    for zone, number in ((1, 60), (2, 30), (3, 15)):
        await add_videos(db, number, timeline.at - HOUR, zone, f"due {zone} ")
        await add_videos(db, 7, timeline.at + HOUR, zone, f"later {zone} ")
    await db.fetch("UPDATE videos SET leased_until = now() + interval '1 minute' WHERE id LIKE 'due 2 1_'")
    await db.fetch("UPDATE videos SET leased_until = now() - interval '1 second' WHERE id LIKE 'due 3 1_'")
    await db.fetch("UPDATE videos SET due_at = NULL WHERE id = 'due 1 1'")
    stats = await plan("tracker")
    assert stats["zones"] == {"1": 59, "2": 20, "3": 15}
    assert (stats["due"], stats["shards"], stats["outcome"]) == (94, 2, "ok")
    assert "unfinished" not in stats
    assert stats["reason"] == "94 due videos, calls left: 'batchGetStats' 20,000, 'units' 20,000: 2 shards"
    assert len(await MaiaDAO("tracker 0/1").fetch_tracker_targets(500)) == 94
    stats = await plan("tracker")
    leased = "the videos that are due are leased by other shards, or are being written"
    assert (stats["outcome"], stats["reason"]) == ("idle", leased)


async def test_a_call_is_for_50_videos_and_videos_list_stands_in(db: Database, timeline: Timeline) -> None:
    await add_videos(db, 1_000, timeline.at - HOUR)
    sizes = ({}, {"batch_size": 300}, {"batch_size": 10})
    assert [await shards("tracker", max_shards=255, **size) for size in sizes] == [20, 4, 100]
    with settings.override(quota_batch_per_day=2, quota_units_per_day=3):
        assert await shards("tracker", max_shards=255) == 10, "of two keys, 4 calls and 6 that stand in"
        assert await shards("tracker", max_shards=255, batch_size=300) == 2
        for start, _ in enumerate(TRACKING):
            await spend("tracking", Bucket.BATCH, 2, start)
            await spend("tracking", Bucket.UNITS, 3, start)
        stats = await plan("tracker")
    assert (stats["shards"], stats["outcome"]) == (0, "quota-exhausted")
    assert stats["reason"] == f"1,000 due videos, but no 'batchGetStats' or 'units' call is left; {RESETS}12.0 h)"


# ── waves ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_later_wave_counts_the_churned_of_the_wave_before(db: Database, timeline: Timeline) -> None:
    await add_queries(100)
    await add_videos(db, 500, timeline.at - HOUR)
    await add_runs("hunter", 1, "ok", "churn", None, "churn", "churn", "failure")
    await add_runs("hunter", 2, "ok", "churn", "ok")
    await add_runs("tracker", 1, "churn")
    await add_runs("hunter", 1, "churn", "churn", run_id="20-2")
    await add_runs("hunter", None, "churn", run_id=None)
    stats = await plan("hunter", wave=2)
    assert (stats["shards"], stats["churned"], stats["wave"], stats["outcome"]) == (3, 3, 2, "ok")
    assert await shards("hunter", 2, max_shards=2) == 2
    assert [await shards("hunter", 3), await shards("tracker", 2)] == [1, 1]
    stats = await plan("hunter", wave=4)
    assert (stats["shards"], stats["outcome"]) == (0, "idle")
    assert stats["reason"] == "no shard of wave 3 met a rate limit"
    # after "Re-run failed jobs", the last end of a shard counts
    await add_runs("hunter", 1, "ok", "churn", "churn", "ok", "churn", "ok")
    assert (await plan("hunter", wave=2))["churned"] == 3


async def test_a_later_wave_starts_no_more_shards_than_a_plan_would_now_and_the_verdict_finds_its_plan() -> None:
    await add_runs("hunter", 1, *["churn"] * 4)
    assert (await read_run("20-1", "hunter")).gate == {}
    await record_run("plan", "0/1", lambda: make_plan("hunter", PlanOptions(), 2), wave=2)
    run = await read_run("20-1", "hunter")
    rows, gate = run.rows, run.gate
    assert {row["outcome"] for row in rows} == {"churn"}
    assert (gate["wave"], gate["shards"], gate["outcome"]) == (2, 0, "idle"), "others have done the work"
    assert gate["reason"].startswith("4 shards of wave 1 met a rate limit; the search queue is empty")
    assert (await read_run("20-1", "tracker")).gate == {}
    await add_queries(12)
    stats = await plan("hunter", wave=2)
    assert (stats["shards"], stats["due"], stats["churned"]) == (2, 12, 4)
    assert await shards("hunter", 2, batch_size=4) == 3
    await close("hunting", Bucket.SEARCH)
    await reject("hunting", Bucket.UNITS)
    stats = await plan("hunter", wave=2)
    assert (stats["shards"], stats["calls_left"]["search"]) == (2, 100), "of one key, 100 searches are left"
    await close("hunting", Bucket.SEARCH, start=1)
    stats = await plan("hunter", wave=2)
    assert (stats["shards"], stats["outcome"]) == (0, "quota-exhausted")
    left = "12 due queries, but no 'search' call is left;"
    assert stats["reason"].startswith(f"4 shards of wave 1 met a rate limit; {left}")


class Clockwork(Shutdown):
    """A shutdown whose waits take no time; what happens meanwhile is the test's."""

    def __init__(self, meanwhile: str = "", signum: int | None = None) -> None:
        super().__init__()
        self.waits: list[float] = []
        self.meanwhile = meanwhile
        self.signum = signum

    async def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        if self.meanwhile:
            await atlas_database.fetch(self.meanwhile)
        if self.signum is not None:
            self.cancel(self.signum)
        return self.requested


async def test_a_later_wave_waits_for_the_limit_to_pass_and_counts_after_that(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "maia.workflow.plan")
    await add_runs("hunter", 1, "churn", "churn", "churn")
    others_work = "UPDATE search_queue SET status = 'paused' WHERE query_term <> 'query 1'"
    with settings.override(maia_wave_pause_seconds=60):
        with run_scope(RunContext(nothing_due := Clockwork())):
            assert (await plan("hunter", wave=2))["outcome"] == "idle"
            await add_queries(30)
            assert await shards("hunter") == 3
        assert nothing_due.waits == [], "where no shard would start, nothing is worth waiting for"
        assert "waiting" not in caplog.text
        with run_scope(RunContext(meanwhile := Clockwork(others_work))):
            stats = await plan("hunter", wave=2)
            assert (stats["shards"], stats["due"]) == (1, 1), "counted after the pause"
            (waited,) = meanwhile.waits
            assert f"waiting {waited:.0f} s before wave 2: the rate limit of wave 1 may hold" in caplog.text
            for _ in range(4):
                await plan("hunter", wave=2)
        assert len(set(meanwhile.waits)) > 1, "the pauses of runs differ"
        assert all(60 <= seconds <= 90 for seconds in meanwhile.waits)
        with run_scope(RunContext(Clockwork(signum=signal.SIGTERM))), pytest.raises(CancelledExit):
            await plan("hunter", wave=2)


async def test_the_rows_of_a_run_come_by_wave_and_shard() -> None:
    await add_runs("hunter", 2, "ok")
    await add_runs("hunter", 1, *["ok"] * 11, None)
    await add_runs("plan", 1, "ok")
    await add_runs("hunter", 1, "ok", run_id="20-2")
    rows = (await read_run("20-1", "hunter")).rows
    assert [(row["wave"], row["shard"]) for row in rows] == [*((1, f"{n}/12") for n in range(12)), (2, "0/1")]
    assert rows[-2]["outcome"] is None
    assert rows[0]["stats"] == {"searches": 2, "calls": {"search": 2}}
