"""What a workflow run left in the database: what rises, how fresh the data is, the quota, and what the run cost.

Titles and channels are foreign text, cut to what a table has room for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from atlas.adapters.growth import GrowthDAO, Riser, gains
from atlas.adapters.overview import OverviewDAO, ZoneState
from atlas.adapters.plans import RunRow
from atlas.adapters.report import ReportDAO
from atlas.adapters.run_growth import Mover, RunGrowthDAO
from atlas.clock import clock
from atlas.errors import AtlasError
from atlas.figures import shortened, sparkline
from atlas.quota.buckets import quota_day, quota_reset
from atlas.times import iso
from maia.orchestration import get_run_logger
from maia.workflow.run_report import Gate, calls_left, runner_minutes

TOP: Final = 10
"""Places of the rankings."""

_SECONDS: Final = 15.0
"""Limit for each part: the action waits 120 s for all, and the rows of the shards matter more."""
_OF_A_HUNTER: Final = timedelta(days=1)
"""A Hunter reads no video twice: of its run, the risers of the last day are shown."""
_HOUR: Final = timedelta(hours=1)
_LONGEST_TITLE: Final = 100
_POINTS: Final = 24

Part = Callable[[], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True)
class Run:
    """The rows of one workflow run of an agent."""

    agent: str
    rows: tuple[RunRow, ...]
    """Of its shards, by wave and shard."""
    plans: tuple[RunRow, ...]
    """The latest first."""
    gate: Gate

    @property
    def began(self) -> datetime | None:
        """When its first plan or shard began (real time)."""
        return min((row["started_at"] for row in (*self.rows, *self.plans)), default=None)


async def read_figures(run: Run) -> dict[str, Any]:
    """Return ``cost``, ``quota``, ``growth``, ``movers``, ``freshness`` and ``missing``, for the result file's stats.

    A part that cannot be read is left out, and ``missing`` says why. A run that never began has none.
    """
    if run.began is None:
        return {}
    began = clock.at(run.began)
    since = began if run.agent == "tracker" else clock.now() - _OF_A_HUNTER
    parts: dict[str, Part] = {"quota": lambda: _quota(run), "growth": lambda: _growth(since), "freshness": _freshness}
    if run.agent == "tracker":
        parts["movers"] = lambda: _movers(since)
    found: dict[str, Any] = {"cost": runner_minutes((*run.rows, *run.plans))}
    missing: dict[str, str] = {}
    for name, part in parts.items():
        try:
            async with asyncio.timeout(_SECONDS):
                found[name] = await part()
        except TimeoutError:
            missing[name] = f"not read within {_SECONDS:g} s"
        except AtlasError as error:
            missing[name] = str(error)
    for name, why in missing.items():
        get_run_logger(__name__).warning("the report has no %s: %s", name, why)
    return found | ({"missing": missing} if missing else {})


async def _quota(run: Run) -> dict[str, Any]:
    """Return the calls of the Pacific day by bucket, what the ring has left, and the time of the reset.

    ``left`` is empty where the last plan is unknown, or of another day.
    """
    now = clock.now()
    left: dict[str, int] = {}
    if run.plans and quota_day(clock.at(run.plans[0]["started_at"])) == quota_day(now):
        left = calls_left(run.plans[0], run.rows)
    spent = {str(bucket): counts.spent for bucket, counts in (await ReportDAO().calls(quota_day(now))).items()}
    return {"spent": spent, "left": left, "resets_at": iso(quota_reset(now))}


async def _growth(since: datetime) -> dict[str, Any]:
    ids = await RunGrowthDAO().fastest_since(since, TOP)
    dao = GrowthDAO()
    risers = await dao.risers(ids=ids, limit=TOP)
    curves = await dao.curves(ids, most=_POINTS + 1)
    shown = [_riser(riser, sparkline(gains(curves.get(riser.video_id, [])), _POINTS)) for riser in risers]
    return {"since": iso(since), "risers": shown}


def _riser(riser: Riser, spark: str) -> dict[str, Any]:
    times = riser.times_usual
    return {
        "video_id": riser.video_id,
        "title": _cut(riser.title),
        "channel": _cut(riser.channel),
        "kind": str(riser.kind),
        "views": riser.views,
        "views_per_hour": round(riser.views_per_hour, 1),
        "times_usual": None if times is None else round(times, 1),
        "breaking_out": riser.breakout_at is not None,
        "sparkline": spark,
    }


async def _movers(since: datetime) -> dict[str, Any]:
    movers = await RunGrowthDAO().movers(since, TOP)
    return {"since": iso(since), "moved": [_mover(mover) for mover in movers if mover.before != mover.after]}


def _mover(mover: Mover) -> dict[str, Any]:
    return {"video_id": mover.video_id, "title": _cut(mover.title), "before": mover.before, "after": mover.after}


async def _freshness() -> dict[str, Any]:
    overview = await OverviewDAO().read()
    return {"zones": [_zone(zone, overview.at) for zone in overview.zones]}


def _zone(zone: ZoneState, now: datetime) -> dict[str, Any]:
    return {
        "zone": zone.zone,
        "promise_hours": zone.promise / _HOUR,
        "tracked": zone.tracked.likely,
        "late": zone.late.likely,
        "kept": zone.share_kept,
        "waits_hours": round(zone.lateness(now) / _HOUR, 1),
    }


def _cut(text: str | None) -> str | None:
    return None if text is None else shortened(text, _LONGEST_TITLE)
