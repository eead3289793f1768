"""What YouTube refuses, as whole processes see it: a key or its project, a setting, a query. None of it is green."""

from __future__ import annotations

import pytest

from atlas.adapters.keys import KeyDAO
from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.config.keypool import fingerprint
from atlas.database import Database
from atlas.quota.buckets import Bucket
from maia.hunter import run_hunter_cycle
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children, Ended
from ...support.agents import (
    HUNTING,
    TRACKING,
    Timeline,
    assert_every_call_is_counted,
    discover,
    fetch,
    nothing_is_claimed,
    pool,
    value,
)

pytestmark = pytest.mark.integration

QUERIES = ("python", "guitar", "cooking")
GATEWAY = {
    "address": "The provided API key has an IP address restriction",
    "project": "has been deleted",
    "credentials": "Request had invalid authentication credentials",
}


def check(ended: Ended, code: int, *words: str) -> None:
    assert ended.code == code, ended.stderr
    assert "Traceback" not in ended.stderr
    for word in words:
        assert word in ended.reason


async def rested(db: Database) -> int:
    """Topics that are not due now."""
    return int(await value(db, "SELECT count(*) FROM search_queue WHERE status <> 'active' OR searches > 0"))


@pytest.mark.parametrize("queries", [1, 3])
@pytest.mark.parametrize("what", GATEWAY)
async def test_a_refusal_of_the_gateway_is_the_keys_and_leaves_the_topics_due(
    db: Database, api: RunningSandbox, children: Children, what: str, queries: int
) -> None:
    await QueueDAO().add(list(QUERIES[:queries]))
    api.faults.add(f"gateway:*:reason={what}")
    ended = await children.run("hunter")
    check(ended, 78, GATEWAY[what], "YOUTUBE_API_KEY_POOL_JSON", "maia keys resume")
    assert await rested(db) == 0
    assert await nothing_is_claimed(db)
    suspended = await fetch(db, "SELECT fingerprint, bucket, reason FROM key_suspensions")
    assert {row["fingerprint"] for row in suspended} == {fingerprint(key) for key in HUNTING}
    assert all(row["bucket"] == "*" and GATEWAY[what] in row["reason"] for row in suspended)


@pytest.mark.parametrize("what", GATEWAY)
async def test_the_tracker_ends_alike_and_its_videos_stay_due(
    db: Database, api: RunningSandbox, timeline: Timeline, children: Children, what: str
) -> None:
    ids = await discover(db, api, timeline, "rust")
    api.faults.add(f"gateway:*:reason={what}")
    ended = await children.run("tracker")
    check(ended, 78, GATEWAY[what], "YOUTUBE_API_KEY_POOL_JSON")
    assert await value(db, "SELECT count(*) FROM videos WHERE due_at <= $1", timeline.at) == len(ids)
    assert await nothing_is_claimed(db)


async def test_one_refused_key_is_a_warning_and_the_next_goes_on(
    db: Database, api: RunningSandbox, children: Children
) -> None:
    await QueueDAO().add(["rust"])
    api.faults.add(f"gateway:*:key={HUNTING[0]}:reason=project")
    ended = await children.run("hunter")
    check(ended, 0)
    assert "has been deleted" in ended.stderr
    (lifted,) = await KeyDAO(db).resume(fingerprint(HUNTING[0]))
    assert str(lifted).startswith(f"{fingerprint(HUNTING[0])} *: forbidden: Project")
    assert await KeyDAO(db).resume(fingerprint(HUNTING[0])) == []


async def test_a_changed_pool_is_tried_at_once(
    db: Database, api: RunningSandbox, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    await QueueDAO().add(["rust"])
    api.faults.add("gateway:*")
    assert (await children.run("hunter")).code == 78
    asked = len(api.log)
    api.faults.clear()
    assert (await children.run("hunter")).code == 78, "for 24 h the refused keys are not asked again"
    assert len(api.log) == asked
    other = f'{{"hunting": ["{HUNTING[0]}"], "tracking": ["{TRACKING[0]}"]}}'
    assert (await children.run("hunter", YOUTUBE_API_KEY_POOL_JSON=other)).code == 0


@pytest.mark.parametrize(
    ("parameter", "name", "setting"),
    [
        ("regionCode", "HUNTER_REGION", "GB"),
        ("relevanceLanguage", "HUNTER_LANGUAGE", "en"),
        ("videoCategoryId", "HUNTER_CATEGORY", "28"),
        ("safeSearch", "HUNTER_SAFE_SEARCH", "strict"),
    ],
)
@pytest.mark.parametrize("queries", [1, 3])
async def test_a_setting_that_youtube_refuses_is_named_after_one_search(
    db: Database, api: RunningSandbox, children: Children, parameter: str, name: str, setting: str, queries: int
) -> None:
    await QueueDAO().add(list(QUERIES[:queries]))
    api.faults.add(f"bad-parameter:search:reason={parameter}")
    ended = await children.run("hunter", **{name: setting})
    check(ended, 78, name, f"'{setting}'", "Invalid value for", parameter)
    assert len(api.log.calls("search")) == 1
    assert await rested(db) == 0
    assert await nothing_is_claimed(db)


async def test_a_parameter_of_a_setting_that_is_not_set_is_no_matter_of_configuration(
    db: Database, api: RunningSandbox, children: Children
) -> None:
    await QueueDAO().add(["rust"])
    api.faults.add("bad-parameter:search:reason=regionCode")
    check(
        await children.run("hunter"),
        1,
        "1 of 1 searches failed: 400 invalidRegionCode (1): Invalid value for regionCode; check ",
    )


@pytest.mark.parametrize("queries", [1, 3])
async def test_refused_queries_alone_are_no_success(
    db: Database, api: RunningSandbox, children: Children, queries: int
) -> None:
    await QueueDAO().add(list(QUERIES[:queries]))
    api.faults.add("bad-parameter:search:reason=q")
    ended = await children.run("hunter")
    check(ended, 1, f"{queries} of {queries} searches failed: 400 invalidQ ({queries}): Invalid value for q")
    assert "Invalid value for q" in ended.stderr
    assert await rested(db) == queries, "each rests: asked again at once it would end the same"


async def test_a_refused_and_a_failed_query_are_no_success_together(db: Database, api: RunningSandbox) -> None:
    await QueueDAO().add(["python", "guitar"])
    api.faults.set(["bad-parameter:search:reason=q:times=1", "backend-error:search"])
    stats = await run_hunter_cycle(2)
    assert (stats["refused"], stats["failed"], stats["outcome"]) == (1, 1, "failure")


async def test_three_churns_leave_every_search_to_spend(
    db: Database, api: RunningSandbox, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUOTA_SEARCH_PER_DAY", "3")
    monkeypatch.setenv("YOUTUBE_API_KEY_POOL_JSON", pool(HUNTING[:1]))
    settings.reload()
    await QueueDAO().add(list(QUERIES))
    api.faults.set(["rate-limit:search", "user-rate-limit:videos"])
    for _ in range(3):
        churned = await children.run("hunter", "--batch-size", "1")
        check(churned, 75)
        assert churned.result is not None
        assert churned.result["stats"]["calls"] == {}
        assert churned.result["stats"]["calls_refused"] == {"search": 1}
    left = await KeyDAO().calls_left(settings.key_rings, "hunting")
    assert left.number[Bucket.SEARCH] == 3
    (key, *_) = await KeyDAO().report(settings.key_rings)
    assert [(bucket.spent, bucket.refused) for bucket in key.buckets if bucket.bucket == "search"] == [(0, 3)]
    planned = await children.run("plan", "hunter")
    assert planned.result is not None
    assert planned.result["stats"]["calls_left"]["search"] == 3
    assert planned.result["stats"]["shards"] > 0, "it does not say that no search is left"
    status = await children.run("keys")
    assert "0 of 3" in status.stdout
    assert "(3 refused)" in status.stdout
    assert api.quota.table() == {}, "a refused search costs nothing"
    await assert_every_call_is_counted(db, api)


async def test_a_refused_search_is_not_one_of_those_that_a_run_may_make(
    db: Database, api: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUNTER_MAX_SEARCHES_PER_RUN", "1")
    settings.reload()
    await QueueDAO().add(["rust"])
    api.faults.add(f"quota:search:key={HUNTING[0]}")
    stats = await run_hunter_cycle(1)
    assert (stats["searches"], stats["calls"]["search"], stats["calls_refused"]) == (1, 1, {"search": 1})
    await assert_every_call_is_counted(db, api)


async def test_settings_that_youtube_takes_cost_nothing_more(
    db: Database, api: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUNTER_REGION", "GB")
    settings.reload()
    await QueueDAO().add(list(QUERIES))
    stats = await run_hunter_cycle(3)
    assert (stats["searches"], stats["outcome"], len(api.log.calls("search"))) == (3, "ok", 3)
