"""How many shards are worth starting, and why, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from atlas.quota.buckets import Bucket
from maia.runtime.exitcodes import Outcome
from maia.workflow.plan import MOST_SHARDS, Job, plan_next_wave, plan_shards

MIDNIGHT = datetime(2026, 11, 21, 8, tzinfo=UTC)
NOW = MIDNIGHT - timedelta(hours=5, minutes=30)
RESETS = "the quota resets at 2026-11-21T08:00:00Z (in 5.5 h)"


def queries(due: int, searches: int, batch: int = 10) -> Job:
    return Job("due queries", due, {Bucket.SEARCH: searches}, MIDNIGHT, NOW, batch, batch)


def videos(unfinished: int, units: int) -> Job:
    return Job("videos to enrich or archive", unfinished, {Bucket.UNITS: units}, MIDNIGHT, NOW, 450, 10)


@pytest.mark.parametrize(
    ("due", "searches", "batch", "most", "shards"),
    [
        (120, 230, 10, 4, 4),
        (120, 230, 10, 255, 12),
        (21, 230, 10, 4, 3),
        (20, 230, 10, 4, 2),
        (1, 230, 10, 4, 1),
        (120, 11, 10, 4, 2),
        (120, 1, 10, 4, 1),
        (5, 230, 1, 4, 4),
        (10_000, 10_000, 3, MOST_SHARDS, MOST_SHARDS),
    ],
)
def test_a_shard_is_worth_starting_when_it_has_a_query_to_search_and_a_call_to_spend(
    due: int, searches: int, batch: int, most: int, shards: int
) -> None:
    plan = plan_shards([queries(due, searches, batch)], most)
    assert (plan.shards, plan.outcome) == (shards, Outcome.OK)


def test_what_an_earlier_cycle_left_needs_shards_of_its_own_only_where_the_searches_need_fewer() -> None:
    assert plan_shards([queries(15, 100), videos(450, 9_000)], 8).shards == 2
    assert plan_shards([queries(15, 100), videos(451 + 450, 9_000)], 8).shards == 3
    assert plan_shards([queries(0, 100), videos(1, 9_000)], 8).shards == 1
    assert plan_shards([queries(15, 100), videos(5_000, 15)], 8).shards == 2


def test_without_searches_there_are_no_more_shards_than_the_videos_need() -> None:
    plan = plan_shards([queries(120, 0), videos(30, 9_000)], 4)
    assert (plan.shards, plan.outcome) == (1, Outcome.OK)
    assert plan.reason == (
        f"120 due queries, but no 'search' call is left; {RESETS}; "
        "30 videos to enrich or archive, calls left: 'units' 9,000: 1 shard"
    )


def test_nothing_due_is_idle_and_gives_the_outlook() -> None:
    for job in (queries(0, 100), queries(0, 0)):
        plan = plan_shards([job, videos(0, 0)], 4, "no query is due before noon")
        assert (plan.shards, plan.outcome, plan.reason) == (0, Outcome.IDLE, "no query is due before noon")
    assert plan_shards([queries(0, 0)], 4).reason == "nothing is due"


def test_nothing_to_spend_says_until_when() -> None:
    plan = plan_shards([queries(1_234, 0), videos(0, 9_000)], 4)
    assert (plan.shards, plan.outcome) == (0, Outcome.QUOTA_EXHAUSTED)
    assert plan.reason == f"1,234 due queries, but no 'search' call is left; {RESETS}"
    assert plan_shards([queries(0, 9), videos(3, 0)], 4).outcome is Outcome.QUOTA_EXHAUSTED


def test_the_reason_says_what_was_cut_off() -> None:
    assert plan_shards([queries(120, 230)], 4).reason.endswith(": 4 shards, the most that may start")
    assert plan_shards([queries(40, 230)], 4).reason.endswith(": 4 shards")
    assert plan_shards([queries(10, 230)], 4).reason.endswith(": 1 shard")
    assert "1,040 or more due queries" in plan_shards([replace(queries(1_040, 230), more=True)], 4).reason


DUE = "120 due queries, calls left: 'search' 230"


@pytest.mark.parametrize(
    ("churned", "due", "searches", "shards", "outcome", "reason"),
    [
        (1, 120, 230, 1, "ok", f"1 shard of wave 1 met a rate limit; {DUE}: 1 shard, as many as met it"),
        (4, 120, 230, 4, "ok", f"4 shards of wave 1 met a rate limit; {DUE}: 4 shards, the most that may start"),
        (5, 120, 230, 4, "ok", f"5 shards of wave 1 met a rate limit; {DUE}: 4 shards, the most that may start"),
        # others have done some of the work, or spent some of the quota
        (4, 15, 99, 2, "ok", "4 shards of wave 1 met a rate limit; 15 due queries, calls left: 'search' 99: 2 shards"),
        (3, 120, 9, 1, "ok", "3 shards of wave 1 met a rate limit; 120 due queries, calls left: 'search' 9: 1 shard"),
        # all of it
        (2, 0, 230, 0, "idle", "2 shards of wave 1 met a rate limit; no query is due before noon"),
        (
            2, 120, 0, 0, "quota-exhausted",
            f"2 shards of wave 1 met a rate limit; 120 due queries, but no 'search' call is left; {RESETS}",
        ),
        (0, 120, 230, 0, "idle", "no shard of wave 1 met a rate limit"),
        (0, 0, 0, 0, "idle", "no shard of wave 1 met a rate limit"),
    ],
)  # fmt: skip
def test_a_later_wave_is_the_smaller_of_what_churned_and_what_a_plan_would_start(
    churned: int, due: int, searches: int, shards: int, outcome: str, reason: str
) -> None:
    plan = plan_next_wave(churned, 2, [queries(due, searches)], 4, "no query is due before noon")
    assert (plan.shards, plan.outcome, plan.reason) == (shards, outcome, reason)
