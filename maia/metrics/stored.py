"""The metrics of what the database knows, as prometheus-client exports them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from atlas.adapters.metrics import Figures
from atlas.adapters.report import Tally
from atlas.quota.buckets import Bucket
from maia import __version__
from maia.metrics.catalogue import DATABASE
from maia.runtime.exitcodes import Outcome

Samples = Mapping[tuple[str, ...], float]
"""The value of each series, by its labels."""

_OUTCOMES: Final = {str(outcome) for outcome in Outcome}
_AGENT: Final = re.compile(r"[a-z]{1,20}")


def registry_of(figures: Figures) -> CollectorRegistry:
    """Return a registry that exports these figures."""
    registry = CollectorRegistry()
    registry.register(_Stored(figures))
    return registry


class _Stored(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for name, samples in _samples(self._figures):
            metric = DATABASE[name]
            family = GaugeMetricFamily(name, metric.meaning, labels=metric.labels)
            for labels, value in samples.items():
                family.add_metric(labels, value)
            yield family


def _samples(figures: Figures) -> Iterator[tuple[str, Samples]]:
    yield "maia_build_info", {(__version__,): 1}
    yield "maia_exported_timestamp_seconds", _time((), figures.at)
    overview = figures.overview
    zones = {(str(state.zone),): state for state in overview.zones}
    yield "maia_tracked_videos", {zone: _number(state.tracked) for zone, state in zones.items()}
    yield "maia_due_videos", {zone: _number(state.due) for zone, state in zones.items()}
    yield "maia_overdue_videos", {zone: _number(state.late) for zone, state in zones.items()}
    yield (
        "maia_due_lateness_seconds",
        {zone: state.lateness(overview.at).total_seconds() for zone, state in zones.items()},
    )
    statuses = ("active", "waiting", "paused")
    yield "maia_queries", {(status,): figures.queries.get(status, 0) for status in statuses}
    yield "maia_quota_spent_calls", {(str(bucket),): calls.spent for bucket, calls in figures.calls.items()}
    yield "maia_quota_refused_calls", {(str(bucket),): calls.refused for bucket, calls in figures.calls.items()}
    yield from _quota(figures)
    yield from _runs(figures)
    yield "maia_open_breakouts", {(): overview.open_breakouts}
    yield "maia_recent_breakouts", {(): figures.recent_breakouts}
    yield "maia_newest_snapshot_timestamp_seconds", _time((), overview.newest)
    if figures.archive is not None:
        yield "maia_unarchived_videos", {(): figures.archive.videos}
        yield "maia_archive_lag_seconds", {(): figures.archive.lag.total_seconds()}


def _quota(figures: Figures) -> Iterator[tuple[str, Samples]]:
    rings = [(ring, bucket, left) for ring, left in figures.left.items() for bucket in Bucket]
    # a ring whose keys are all refused has nothing left, and no limit that could be known
    yield "maia_quota_left_calls", {(ring, str(b)): left.number[b] if left else 0 for ring, b, left in rings}
    yield "maia_quota_limit_calls", {(ring, str(b)): left.limit[b] for ring, b, left in rings if left}
    yield (
        "maia_quota_reset_timestamp_seconds",
        {(ring, str(b)): left.until[b].timestamp() for ring, b, left in rings if left},
    )


def _runs(figures: Figures) -> Iterator[tuple[str, Samples]]:
    recent: Counter[tuple[str, ...]] = Counter()
    last: dict[tuple[str, ...], float] = {}
    for row in figures.runs:
        # the table may hold what another release wrote: the labels stay few
        agent = row.agent if _AGENT.fullmatch(row.agent) else "other"
        outcome = "unfinished" if row.outcome is None else row.outcome if row.outcome in _OUTCOMES else "other"
        recent[agent, outcome] += row.recent
        if row.last is not None:
            last[agent, outcome] = max(row.last.timestamp(), last.get((agent, outcome), 0.0))
    yield "maia_recent_runs", recent
    yield "maia_last_run_timestamp_seconds", last


def _number(tally: Tally) -> int:
    return tally.number if tally.estimate is None else tally.estimate


def _time(labels: tuple[str, ...], moment: datetime | None) -> Samples:
    return {} if moment is None else {labels: moment.timestamp()}
