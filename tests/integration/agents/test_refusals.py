"""What YouTube refuses, as whole runs see it: a key or its project, a setting, a query. None of it is green."""

from __future__ import annotations

import pytest

from atlas.adapters.keys import KeyDAO
from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.config.keypool import fingerprint
from atlas.database import Database
from atlas.quota.buckets import Bucket
from maia.hunter import run_hunter_cycle
from maia.runtime.run_end import RunEnd
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children
from ...support.agents import (
    HUNTING,
    TRACKING,
    Timeline,
    assert_every_call_is_counted,
    discover,
    fetch,
    nothing_is_claimed,
    pool,
    run_here,
    value,
)

pytestmark = pytest.mark.integration

QUERIES = ["python", "guitar", "cooking"]
GATEWAY = {
    "address": "The provided API key has an IP address restriction",
    "project": "has been deleted",
    "credentials": "Request had invalid authentication credentials",
}


def check(ended: RunEnd, code: int, *words: str) -> None:
    assert ended.exit_code == code, ended
    for word in words:
        assert ended.error is not None
        assert word in ended.error


async def rested(db: Database) -> int:
    """Topics that are not due now."""
    return int(await value(db, "SELECT count(*) FROM search_queue WHERE status <> 'active' OR searches > 0"))


@pytest.mark.parametrize("what", GATEWAY)
async def test_a_refusal_of_the_gateway_is_the_keys_and_leaves_all_due(
    db: Database, api: RunningSandbox, timeline: Timeline, what: str
) -> None:
    ids = await discover(db, api, timeline, "rust")
    await db.fetch("DELETE FROM search_queue")
    await QueueDAO().add(QUERIES)
    api.faults.add(f"gateway:*:reason={what}")
    check((await run_here("hunter"))[0], 78, GATEWAY[what], "YOUTUBE_API_KEY_POOL_JSON", "maia keys resume")
    assert await rested(db) == 0
    suspended = await fetch(db, "SELECT fingerprint, bucket, reason FROM key_suspensions")
    assert {row["fingerprint"] for row in suspended} == {fingerprint(key) for key in HUNTING}
    assert all(row["bucket"] == "*" and GATEWAY[what] in row["reason"] for row in suspended)
    check((await run_here("tracker"))[0], 78, GATEWAY[what], "YOUTUBE_API_KEY_POOL_JSON")
    assert await value(db, "SELECT count(*) FROM videos WHERE due_at <= $1", timeline.at) == len(ids)
    assert await nothing_is_claimed(db)
    # for 24 h the refused keys are not asked again, but a changed pool is tried at once
    asked = len(api.log)
    api.faults.clear()
    assert (await run_here("hunter"))[0].exit_code == 78
    assert len(api.log) == asked
    changed = pool(HUNTING[:1], TRACKING[:1])
    assert (await run_here("hunter", youtube_api_key_pool_json=changed))[0].exit_code == 0


async def test_one_refused_key_is_a_warning_and_the_next_goes_on(
    db: Database, api: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    await QueueDAO().add(["rust"])
    api.faults.add(f"gateway:*:key={HUNTING[0]}:reason=project")
    check((await run_here("hunter"))[0], 0)
    assert "has been deleted" in caplog.text
    (lifted,) = await KeyDAO(db).resume(fingerprint(HUNTING[0]))
    assert str(lifted).startswith(f"{fingerprint(HUNTING[0])} *: forbidden: Project")
    assert await KeyDAO(db).resume(fingerprint(HUNTING[0])) == []


@pytest.mark.parametrize(
    ("parameter", "name", "setting"),
    [
        ("regionCode", "HUNTER_REGION", "GB"),
        ("relevanceLanguage", "HUNTER_LANGUAGE", "en"),
        ("videoCategoryId", "HUNTER_CATEGORY", "28"),
        ("safeSearch", "HUNTER_SAFE_SEARCH", "strict"),
    ],
)
async def test_a_setting_that_youtube_refuses_is_named_after_one_search(
    db: Database, api: RunningSandbox, parameter: str, name: str, setting: str
) -> None:
    await QueueDAO().add(QUERIES)
    api.faults.add(f"bad-parameter:search:reason={parameter}")
    ended, _ = await run_here("hunter", **{name.lower(): setting})
    check(ended, 78, name, f"'{setting}'", "Invalid value for", parameter)
    assert len(api.log.calls("search")) == 1
    assert await rested(db) == 0
    assert await nothing_is_claimed(db)


async def test_settings_that_youtube_takes_cost_nothing_more(db: Database, api: RunningSandbox) -> None:
    await QueueDAO().add(QUERIES)
    with settings.override(hunter_region="GB"):
        stats = await run_hunter_cycle(3)
    assert (stats["searches"], stats["outcome"], len(api.log.calls("search"))) == (3, "ok", 3)


@pytest.mark.parametrize(("queries", "parameter"), [(1, "regionCode"), (1, "q"), (3, "q")])
async def test_refused_queries_alone_are_no_success(
    db: Database, api: RunningSandbox, caplog: pytest.LogCaptureFixture, queries: int, parameter: str
) -> None:
    """A parameter of a setting that is not set (regionCode) is no matter of configuration."""
    await QueueDAO().add(QUERIES[:queries])
    api.faults.add(f"bad-parameter:search:reason={parameter}")
    reason = f"invalid{parameter[0].upper()}{parameter[1:]}"
    expected = (
        f"{queries} of {queries} searches failed: 400 {reason} ({queries}): Invalid value for {parameter}; check "
    )
    check((await run_here("hunter"))[0], 1, expected)
    assert f"Invalid value for {parameter}" in caplog.text
    assert await rested(db) == queries, "each rests: asked again at once it would end the same"


async def test_a_refused_and_a_failed_query_are_no_success_together(db: Database, api: RunningSandbox) -> None:
    await QueueDAO().add(QUERIES[:2])
    api.faults.set(["bad-parameter:search:reason=q:times=1", "backend-error:search"])
    stats = await run_hunter_cycle(2)
    assert (stats["refused"], stats["failed"], stats["outcome"]) == (1, 1, "failure")


async def test_three_churns_leave_every_search_to_spend(
    db: Database, api: RunningSandbox, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUOTA_SEARCH_PER_DAY", "3")
    monkeypatch.setenv("YOUTUBE_API_KEY_POOL_JSON", pool(HUNTING[:1]))
    settings.reload()
    await QueueDAO().add(QUERIES)
    api.faults.set(["rate-limit:search", "user-rate-limit:videos"])
    for _ in range(3):
        churned, stats = await run_here("hunter", batch_size=1)
        check(churned, 75)
        assert (stats["calls"], stats["calls_refused"]) == ({}, {"search": 1})
    left = await KeyDAO().calls_left(settings.key_rings, "hunting")
    assert left.number[Bucket.SEARCH] == 3
    (key, *_) = await KeyDAO().report(settings.key_rings)
    assert [(bucket.spent, bucket.refused) for bucket in key.buckets if bucket.bucket == "search"] == [(0, 3)]
    planned = await children.run("plan", "hunter")
    assert planned.result is not None
    assert planned.result["stats"]["calls_left"]["search"] == 3
    assert planned.result["stats"]["shards"] > 0, "searches are left"
    status = await children.run("keys")
    assert "0 of 3" in status.stdout
    assert "(3 refused)" in status.stdout
    assert api.quota.table() == {}, "a refused search costs nothing"
    await assert_every_call_is_counted(db, api)


async def test_a_refused_search_is_not_one_of_those_that_a_run_may_make(db: Database, api: RunningSandbox) -> None:
    await QueueDAO().add(["rust"])
    api.faults.add(f"quota:search:key={HUNTING[0]}")
    with settings.override(hunter_max_searches_per_run=1):
        stats = await run_hunter_cycle(1)
    assert (stats["searches"], stats["calls"]["search"], stats["calls_refused"]) == (1, 1, {"search": 1})
    await assert_every_call_is_counted(db, api)
