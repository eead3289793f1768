"""`maia plan`: how many shards are worth starting, from the work that is due and the quota that is left today.

A later wave starts at most as many shards as met a rate limit in the wave before, after a pause. Which ones they were
does not matter: they have released their claims.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Any, NoReturn

from atlas.adapters.keys import CallsLeft, KeyDAO
from atlas.adapters.maia import MaiaDAO
from atlas.adapters.plans import PlanDAO
from atlas.adapters.queue import QueueDAO
from atlas.clock import clock
from atlas.config import settings
from atlas.database import database
from atlas.errors import ConfigError, OlderSchema
from atlas.figures import counted
from atlas.quota.buckets import Bucket
from atlas.times import ahead
from atlas.utils import KeyRing
from maia.agents.enrichment import CALLS_A_CYCLE, VIDEOS_A_CALL
from maia.agents.session import RING_OF, Shard
from maia.run import record_run, run_process
from maia.runtime.exitcodes import Outcome
from maia.runtime.run_context import current_shutdown, record_stats
from maia.youtube import MAX_IDS

logger = logging.getLogger(__name__)

MOST_SHARDS = 255
"""A matrix of GitHub Actions has at most 256 jobs."""

_COUNT_MARGIN = 1_000  # rows counted beyond those that the plan needs, so that it can say how many are due


@dataclass(frozen=True)
class Job:
    """One kind of due work, and how much of it one cycle of one shard does; times are of the schedule clock."""

    what: str  # in the plural
    items: int
    calls: Mapping[Bucket, int]  # left today; any of the buckets can pay
    until: datetime  # when the first bucket is reset
    now: datetime
    items_a_cycle: int
    calls_a_cycle: int
    more: bool = False  # at least `items` are due

    @property
    def shards(self) -> int:
        """The number of shards that have both an item to work on and a call to spend on it."""
        return min(ceil(self.items / self.items_a_cycle), ceil(sum(self.calls.values()) / self.calls_a_cycle))

    def __str__(self) -> str:
        due = f"{self.items:,}{' or more' if self.more else ''} {self.what}"
        if self.items and not sum(self.calls.values()):
            names = "' or '".join(self.calls)
            return f"{due}, but no '{names}' call is left; the quota resets at {ahead(self.until, self.now)}"
        return f"{due}, calls left: " + ", ".join(f"'{bucket}' {number:,}" for bucket, number in self.calls.items())


@dataclass(frozen=True)
class Plan:
    """The number of shards to start, and the reason on one line."""

    shards: int
    outcome: Outcome
    reason: str


def plan_shards(jobs: Sequence[Job], most: int, outlook: str = "", bound: str = "the most that may start") -> Plan:
    """Return the plan: the shards of the job that needs most, since a shard does some of each.

    `outlook`: when something is due next, if nothing is due now. `bound`: what `most` is, in words.
    """
    due = [job for job in jobs if job.items]
    if not due:
        return Plan(0, Outcome.IDLE, outlook or "nothing is due")
    wanted = max(job.shards for job in due)
    work = "; ".join(map(str, due))
    if not wanted:
        return Plan(0, Outcome.QUOTA_EXHAUSTED, work)
    cut = f", {bound}" if wanted > most else ""
    return Plan(min(wanted, most), Outcome.OK, f"{work}: {counted(min(wanted, most), 'shard')}{cut}")


def plan_next_wave(churned: int, wave: int, jobs: Sequence[Job], most: int, outlook: str = "") -> Plan:
    """Plan as for a first wave, with at most as many shards as churned in the wave before."""
    if not churned:
        return Plan(0, Outcome.IDLE, f"no shard of wave {wave - 1} met a rate limit")
    bound = "as many as met it" if churned < most else "the most that may start"
    plan = plan_shards(jobs, min(churned, most), outlook, bound)
    return replace(plan, reason=f"{counted(churned, 'shard')} of wave {wave - 1} met a rate limit; {plan.reason}")


@dataclass(frozen=True)
class PlanOptions:
    """The options of a plan, from the command line; None: the setting."""

    max_shards: int = 4
    batch_size: int | None = None  # rows of one cycle of one shard
    wave: int | None = None
    queries: Sequence[str] = ()  # these three: wave 1 only
    resume_keys: bool = False
    migrate: bool = True
    result_file: Path | None = None


def run(agent: str, options: PlanOptions) -> NoReturn:
    """Plan a wave of an agent and end the process with its exit code."""
    shard = str(Shard())

    async def work() -> Mapping[str, Any]:
        wave = options.wave or settings.maia_wave or 1
        if wave > 1 and settings.maia_run_id is None:
            raise ConfigError(
                f"MAIA_RUN_ID required to plan wave {wave}: set it to the id that the shards of wave {wave - 1} had, "
                "as `maia plan` of wave 1 and they did."
            )
        KeyRing(RING_OF[agent]).keys()  # an empty ring is a ConfigError even if nothing is due
        database.application_name = f"maia plan {agent}"
        try:
            return await planned(wave)
        except OlderSchema:
            if not (options.migrate and wave == 1 and await _migrate()):
                raise
            return await planned(wave)

    async def planned(wave: int) -> Mapping[str, Any]:
        async with database.session():
            return await record_run("plan", shard, lambda: make_plan(agent, options, wave), wave=wave)

    run_process("plan", shard, work, result_file=options.result_file)


async def _migrate() -> bool:
    """Bring an older schema up to date, and return whether it is."""
    from atlas.schema.migrate import expand  # noqa: PLC0415  Alembic is slow to import and seldom needed

    done = await expand(database)
    if done is not None:
        async with database.session():
            await QueueDAO().adopt()
        logger.info("the schema was %s and is %s now", done.before, done.after)
    return done is not None


async def make_plan(agent: str, options: PlanOptions, wave: int) -> dict[str, Any]:
    """Add the queries, and plan a wave.

    Return the stats of the result file: ``agent``, ``shards``, ``wave``, ``queries_new``, ``keys_resumed``
    (fingerprints, with ``resume_keys``), ``due``, ``unfinished`` (videos, Hunter) or ``zones`` (Tracker), ``churned``
    (from wave 2 on), ``calls_left``, ``outcome``, ``reason``. Due rows are counted up to what the plan needs and 1,000
    more. Raise ConfigError if every key of the ring is wrong, and CancelledExit upon a signal during the pause.
    """
    stats: dict[str, Any] = {"agent": agent, "shards": 0, "wave": wave, "queries_new": 0}
    if wave == 1 and options.queries:
        stats["queries_new"] = await QueueDAO().add(options.queries)
    if wave == 1 and options.resume_keys:
        stats["keys_resumed"] = await _resume_keys(RING_OF[agent])
    record_stats(stats)
    plan, counts = await _count(agent, options, wave)
    if wave > 1 and plan.shards:
        await _pause(wave)
        # counted again: meanwhile another run may have done the work or spent the quota
        plan, counts = await _count(agent, options, wave)
    logger.info("%s, wave %d: %s", agent, wave, plan.reason)
    return {**stats, **counts, "shards": plan.shards, "outcome": plan.outcome, "reason": plan.reason}


async def _resume_keys(ring: str) -> list[str]:
    """Lift the suspensions of a ring's keys, and of the keys of their projects. Return the fingerprints."""
    lifted = await KeyDAO().resume_ring(settings.key_rings, ring)
    for one in lifted:
        logger.info("suspension lifted: %s", one)
    if not lifted:
        logger.info("no key of the ring '%s' is suspended", ring)
    return list(dict.fromkeys(one.fingerprint for one in lifted))


async def _pause(wave: int) -> None:
    """Wait until a per-minute limit has passed: the setting, and up to half of it at random. Raises CancelledExit."""
    seconds = settings.maia_wave_pause_seconds * random.uniform(1.0, 1.5)  # noqa: S311  no secret
    if not seconds:
        return
    logger.info(
        "waiting %.0f s before wave %d: the rate limit of wave %d may hold for a minute (MAIA_WAVE_PAUSE_SECONDS)",
        seconds, wave, wave - 1,
    )  # fmt: skip
    shutdown = current_shutdown()
    await shutdown.wait(seconds)
    shutdown.raise_if_requested()


async def _count(agent: str, options: PlanOptions, wave: int) -> tuple[Plan, dict[str, Any]]:
    """Return the plan of a wave as of now, and its counts for the stats."""
    left = await KeyDAO().calls_left(settings.key_rings, RING_OF[agent])
    jobs, counts, outlook = await (_hunter_jobs if agent == "hunter" else _tracker_jobs)(options, left)
    if wave == 1:
        plan = plan_shards(jobs, options.max_shards, outlook)
    else:
        churned = await PlanDAO().churned(settings.maia_run_id or "", wave - 1, agent, MOST_SHARDS)
        plan = plan_next_wave(churned, wave, jobs, options.max_shards, outlook)
        counts["churned"] = churned
    counts["calls_left"] = {str(bucket): number for bucket, number in left.number.items()}
    return plan, counts


_DueWork = tuple[list[Job], dict[str, Any], str]
"""The jobs, their counts for the stats, and when something is due next if there are none."""


async def _hunter_jobs(options: PlanOptions, left: CallsLeft) -> _DueWork:
    """Count the queries to search, each a call, and the unfinished videos that each cycle starts with.

    A shard makes at most HUNTER_MAX_SEARCHES_PER_RUN searches. Searching needs no units: videos that cannot be enriched
    are stored without their metadata.
    """
    dao, most = PlanDAO(), options.max_shards
    searches = options.batch_size or settings.hunter_batch_size
    if settings.hunter_max_searches_per_run is not None:
        searches = min(searches, settings.hunter_max_searches_per_run)
    videos = CALLS_A_CYCLE * VIDEOS_A_CALL
    query_limit, video_limit = most * searches + _COUNT_MARGIN, most * videos + _COUNT_MARGIN
    queries = await dao.due_queries(query_limit)
    # not by the vault itself, whose secrets a plan does not need
    unfinished = await dao.unfinished_videos(video_limit, archive=settings.vault_provider != "off")
    jobs = [
        _job("due queries", queries, query_limit, left, searches, searches, Bucket.SEARCH),
        _job("videos to enrich or archive", unfinished, video_limit, left, videos, CALLS_A_CYCLE, Bucket.UNITS),
    ]
    outlook = "" if queries or unfinished else await MaiaDAO().why_no_topics()
    return jobs, {"due": queries, "unfinished": unfinished}, outlook


async def _tracker_jobs(options: PlanOptions, left: CallsLeft) -> _DueWork:
    """Count the videos to read, 50 a call of videos.batchGetStats or, once that is spent, of videos.list."""
    size = options.batch_size or settings.tracker_batch_size
    limit = options.max_shards * size + _COUNT_MARGIN
    zones = await PlanDAO().due_videos(limit)
    due = min(limit, sum(zones.values()))
    jobs = [_job("due videos", due, limit, left, size, ceil(size / MAX_IDS), Bucket.BATCH, Bucket.UNITS)]
    outlook = "" if due else await MaiaDAO().why_no_targets()
    return jobs, {"due": due, "zones": {str(zone): number for zone, number in zones.items()}}, outlook


def _job(
    what: str, items: int, limit: int, left: CallsLeft, items_a_cycle: int, calls_a_cycle: int, *buckets: Bucket
) -> Job:
    calls = {bucket: left.number[bucket] for bucket in buckets}
    until = min(left.until[bucket] for bucket in buckets)
    return Job(what, items, calls, until, clock.now(), items_a_cycle, calls_a_cycle, more=items >= limit)
