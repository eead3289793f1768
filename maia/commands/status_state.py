"""What `maia status` shows: it is read here, and what is wrong is found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from atlas.adapters.growth import Breakout, GrowthDAO, Riser
from atlas.adapters.keys import KeyDAO
from atlas.adapters.overview import Overview, OverviewDAO, ZoneState
from atlas.adapters.plans import PlanDAO
from atlas.adapters.report import Tally
from atlas.adapters.runs import ProcessRow, RunDAO
from atlas.clock import clock
from atlas.config import settings
from atlas.config.keypool import RINGS, KeyPool
from atlas.errors import ConfigError, MissingRight
from atlas.event_types import FAILED_OUTCOMES
from atlas.figures import compact, counted, duration_text, shortened
from atlas.times import local
from maia.runtime.exitcodes import entry

__all__ = ["Problem", "RingQuota", "State", "number_text", "read_state", "share_text"]

_DAY: Final = timedelta(days=1)
_TOP: Final = 3
_BACKLOG: Final = 5_000
"""Videos that wait for the Hunter to enrich or archive them: fewer are the normal rest of a run."""
_LONGEST_CAUSE: Final = 240  # characters; `maia runs last` shows all


@dataclass(frozen=True)
class Problem:
    """Something that needs attention, and what to do. ``failing``: `--check` ends with 1."""

    kind: str
    text: str
    advice: str
    failing: bool = True

    def __str__(self) -> str:
        return f"{self.text}. {self.advice}"


@dataclass(frozen=True)
class RingQuota:
    """What the keys of a ring can still spend today, by bucket, and when each bucket is reset (schedule clock)."""

    ring: str
    keys: int
    left: Mapping[str, int]
    resets: Mapping[str, datetime]
    shared: bool = False
    """All rings share the keys of this one."""
    error: str | None = None
    """Why the ring has no number: every key is rejected, or the database user may not read about keys."""


@dataclass(frozen=True)
class State:
    """Everything that the page shows."""

    overview: Overview
    runs: Mapping[str, Sequence[ProcessRow]]
    outcomes: Mapping[str, int]
    """Runs of the last 24 h by outcome."""
    quota: Sequence[RingQuota]
    risers: Sequence[Riser]
    breakouts: Sequence[Breakout]
    problems: Sequence[Problem]
    real: datetime
    """The real time, which times of runs are in."""
    max_age: timedelta

    @property
    def failing(self) -> list[Problem]:
        """Return the problems that make `--check` fail."""
        return [problem for problem in self.problems if problem.failing]


async def read_state(max_age: timedelta | None = None) -> State:
    """Read what the page shows; ``max_age`` is how old the newest snapshot may be (None: the zones' promise)."""
    runs, growth = RunDAO(), GrowthDAO()
    # the ranking takes longest: the others are read meanwhile
    risers, (overview, last, outcomes, breakouts, (quota, problems), backlog) = await asyncio.gather(
        growth.risers(limit=_TOP),
        _in_turn(
            OverviewDAO().read(),
            runs.last_by_agent(),
            runs.count_outcomes(_DAY),
            growth.breakouts(limit=_TOP, only_open=True),
            _read_quota(),
            PlanDAO().unfinished_videos(_BACKLOG + 1, archive=settings.vault_provider != "off"),
        ),
    )
    found = [
        *_freshness_problems(overview, max_age),
        *_run_problems(last),
        *problems,
        *_other_problems(overview, backlog),
    ]
    found.sort(key=lambda problem: not problem.failing)
    limit = max_age or overview.promise
    return State(overview, last, outcomes, quota, risers, breakouts, found, clock.real(), limit)


async def _in_turn(*work: Awaitable[Any]) -> list[Any]:
    """Return the results of the work, done one after the other on one connection."""
    return [await each for each in work]


async def _read_quota() -> tuple[list[RingQuota], list[Problem]]:
    """Return what each ring has left, and the problems with keys. Without keys: neither."""
    try:
        pool = settings.key_rings
    except ConfigError as error:
        return [], [Problem("keys", str(error).rstrip("."), "Fix the setting")]
    try:
        return await _read_rings(pool)
    except MissingRight:  # an analyst
        why = "unknown, since this database user may not read about keys"
        return [RingQuota(ring, len(pool[ring]), {}, {}, pool.shared, why) for ring in _rings(pool)], []


def _rings(pool: KeyPool) -> list[str]:
    """Return the rings that have keys, the first one for all where they share them."""
    return [ring for ring in (RINGS[:1] if pool.shared else RINGS) if pool[ring]]


async def _read_rings(pool: KeyPool) -> tuple[list[RingQuota], list[Problem]]:
    problems: list[Problem] = []
    dao, quota = KeyDAO(), []
    for ring, left in (await dao.calls_left_by_ring(pool, _rings(pool))).items():
        if left is None:
            quota.append(RingQuota(ring, len(pool[ring]), {}, {}, pool.shared, "every key is rejected"))
        else:
            numbers = {str(bucket): number for bucket, number in left.number.items()}
            resets = {str(bucket): at for bucket, at in left.until.items()}
            quota.append(RingQuota(ring, len(pool[ring]), numbers, resets, pool.shared))
    for key, suspension in (await dao.rejected(pool)).items() if pool.all_keys() else ():
        problems.append(
            Problem(
                "key", f"YouTube refuses the key {key}: {suspension.reason.rstrip('.')}",
                f"Repair or replace it, then `maia keys resume {key}`",
            )
        )  # fmt: skip
    return quota, problems


def _freshness_problems(overview: Overview, max_age: timedelta | None) -> list[Problem]:
    if not overview.any_video:
        if not overview.queries:
            advice = 'Add a query with `maia queue add "your query"`, then run `maia hunter`'
        else:
            advice = "Run `maia hunter`, which discovers videos"
        return [Problem("no-data", "There is no video yet", advice)]
    problems = []
    for zone in overview.zones:
        if zone.is_stale and zone.share_kept is not None:
            late = duration_text(zone.lateness(overview.at))
            problems.append(
                Problem(
                    "stale-zone",
                    f"Zone {zone.zone} is stale: {share_text(zone)} of {number_text(zone.tracked)} videos were read "
                    f"within {duration_text(zone.promise)}; the latest is overdue for {late}",
                    "Run `maia tracker` more often, with more shards or keys",
                )
            )
    if (problem := _late_snapshot(overview, max_age)) is not None:
        problems.append(problem)
    return problems


def _late_snapshot(overview: Overview, max_age: timedelta | None) -> Problem | None:
    """Return the problem if the newest snapshot is too old. Without a limit, only if a reading is overdue too."""
    if overview.newest is None:
        if max_age is None and overview.next_reading is None:
            return None  # every video is retired, or waits for its metadata
        return Problem("stale-snapshots", "There is no snapshot yet", "Run `maia tracker`")
    age = overview.at - overview.newest
    if age < -clock.tolerance - timedelta(minutes=1):
        return Problem(
            "clock", f"The newest snapshot is of {local(overview.newest)}, which has not come",
            "Set the clock of the machine that wrote it; `atlas status` says more",
        )  # fmt: skip
    overdue = overview.next_reading is not None and overview.next_reading < overview.at
    if age <= (max_age or overview.promise) or (max_age is None and not overdue):
        return None
    return Problem(
        "stale-snapshots",
        f"The newest snapshot is {duration_text(age)} old, more than {duration_text(max_age or overview.promise)}",
        "See that the Tracker runs: `maia runs`",
    )


def _run_problems(last: Mapping[str, Sequence[ProcessRow]]) -> list[Problem]:
    problems = []
    for agent, rows in last.items():
        latest = {(row.wave, row.shard): row for row in rows}.values()  # of a job that was run again, the last
        failed = [row for row in latest if row.outcome in FAILED_OUTCOMES]
        if failed:
            row = failed[-1]
            of = f"{len(failed)} of {len(latest)} shards" if len(latest) > 1 else "The last run"
            known = entry(row.exit_code or 1)
            problems.append(
                Problem(
                    "failed-run",
                    f"{of} of the {agent} ended with {row.outcome}: {_shortened(row.error)}",
                    f"What to do: {known.action}" if known else "See `maia runs last`",
                )
            )
    return problems


def _shortened(error: str | None) -> str:
    return shortened((error or "no cause is known").rstrip("."), _LONGEST_CAUSE)


def _other_problems(overview: Overview, backlog: int) -> list[Problem]:
    problems = []
    if overview.any_video and not overview.queries:
        problems.append(
            Problem(
                "empty-queue", "The search queue is empty", 'Fill it with `maia queue add "your query"`', failing=False
            )
        )
    elif overview.queries and overview.queries == overview.paused:
        problems.append(
            Problem(
                "empty-queue", "Every query is paused", '`maia queue add "query"` resumes one', failing=False
            )
        )  # fmt: skip
    if overview.frozen_since is not None:
        problems.append(
            Problem(
                "frozen-counts", f"YouTube's counts stand still since {local(overview.frozen_since)}",
                "Wait: growth seems to be zero until they move again", failing=False,
            )
        )  # fmt: skip
    if overview.search_gaps:
        problems.append(
            Problem(
                "search-gaps",
                f"{counted(overview.search_gaps, 'search gap')} in 24 h: parts of search windows were not read",
                "`atlas events --type search_gap` shows them; more keys for hunting, or fewer queries, avoid them",
                failing=False,
            )
        )  # fmt: skip
    if overview.archive_failures:
        problems.append(
            Problem(
                "archive", f"The archive failed {overview.archive_failures:,} times in the last 24 h",
                "`atlas events --type archive_failed` says why; a later run retries", failing=False,
            )
        )  # fmt: skip
    if backlog > _BACKLOG:
        problems.append(
            Problem(
                "archive", f"More than {_BACKLOG:,} videos wait for their metadata or for the archive",
                "Run `maia hunter` more often; each cycle works on them first", failing=False,
            )
        )  # fmt: skip
    return problems


def share_text(zone: ZoneState) -> str:
    """Return the share of videos that were read within the promise of a zone, such as `99.7 %`; empty without one."""
    share = zone.share_kept
    if share is None:
        return ""
    # rounded down: 100 % is said only of all
    text = f"{int(share * 1_000) / 10:.1f} %" if share < 1 else "100 %"
    return text if zone.late.exact else f"< {text}"


def number_text(tally: Tally) -> str:
    """Return a number, or what is known of one that was not counted to its end: `~1.2M`, `>10K`."""
    if tally.exact:
        return f"{tally.number:,}"
    return f"~{compact(tally.estimate)}" if tally.estimate else f">{compact(tally.number)}"
