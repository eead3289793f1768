"""The metrics of one run of an agent, as prometheus-client keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from maia.metrics.catalogue import PROCESS, Kind

_OF_STATS: Final = {
    "topics": "maia_claims_total",
    "targets": "maia_claims_total",
    "unfinished": "maia_claims_total",
    "released": "maia_claims_released_total",
    "updated": "maia_snapshots_total",
    "videos_enriched": "maia_snapshots_total",  # a video that is enriched comes with its first snapshot
    "videos_new": "maia_new_videos_total",
    "queries_new": "maia_new_queries_total",
    "archived": "maia_archived_videos_total",
    "failed": "maia_failed_items_total",
    "unfinished_failed": "maia_failed_items_total",
    "breakouts": "maia_breakouts_total",
}
"""The counter of each count in a run's stats."""

_DELETED: Final = "_deleted"
"""The end of the names of the Janitor's counts of deleted rows."""


class ProcessMetrics:
    """Take the measurements of one run; ``registry`` exports them, each with the label ``agent``."""

    def __init__(self, agent: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series of its own for each counter that only says when the process began
        self.registry = CollectorRegistry()
        self._agent = agent
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        for name, metric in PROCESS.items():
            if metric.kind is Kind.HISTOGRAM:
                self._histograms[name] = Histogram(
                    name, metric.meaning, metric.labels, buckets=metric.buckets, registry=self.registry
                )
            else:
                self._counters[name] = Counter(name, metric.meaning, metric.labels, registry=self.registry)
            if metric.labels == ("agent",):  # it is 0 from the start, so that a rate sees its first increase
                (self._histograms.get(name) or self._counters[name]).labels(agent=agent)

    def count(self, name: str, labels: Mapping[str, str], amount: float = 1) -> None:
        """Add to a counter."""
        self._counters[name].labels(agent=self._agent, **labels).inc(amount)

    def observe(self, name: str, labels: Mapping[str, str], seconds: float) -> None:
        """Add to a histogram."""
        self._histograms[name].labels(agent=self._agent, **labels).observe(seconds)

    def count_stats(self, stats: Mapping[str, Any]) -> None:
        """Add a run's stats to the counters that they belong to. A dry run counts nothing."""
        if stats.get("dry_run"):
            return
        for name, number in stats.items():
            if type(number) is not int or number <= 0:
                continue
            if name.endswith(_DELETED):
                self.count("maia_deleted_rows_total", {"table": name.removesuffix(_DELETED)}, number)
            elif counter := _OF_STATS.get(name):
                self.count(counter, {}, number)
