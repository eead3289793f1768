"""Every metric that Maia exports: its name, type, labels and meaning. docs/metrics.md shows this table.

Names follow the conventions of Prometheus: base units, `_total` for counters, `_seconds` and `_timestamp_seconds`. Each
label has few values; none is a run, a video, a query or a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["DATABASE", "PROCESS", "Kind", "Metric"]


class Kind(StrEnum):
    """The type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric:
    """One metric; its unit is in its name, and where it is not, it counts what the name says."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, in seconds."""

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series as Prometheus stores them."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)


_STAGE = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_CALL = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


def _table(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


PROCESS: Final = _table(
    Metric("maia_cycle_duration_seconds", Kind.HISTOGRAM, ("agent",), "Time of one cycle", _STAGE),
    Metric(
        "maia_stage_duration_seconds", Kind.HISTOGRAM, ("agent", "stage"),
        "Time of one stage of a cycle, such as `search_youtube` or `update_stats`", _STAGE,
    ),
    Metric(
        "maia_api_calls_total", Kind.COUNTER, ("agent", "method", "outcome"),
        "Requests to the YouTube API by method and outcome: `ok`, or why there is no answer",
    ),
    Metric(
        "maia_api_call_duration_seconds", Kind.HISTOGRAM, ("agent", "method"),
        "Time of one request, whatever its outcome", _CALL,
    ),
    Metric("maia_claims_total", Kind.COUNTER, ("agent",), "Queries or videos that were claimed"),
    Metric("maia_claims_released_total", Kind.COUNTER, ("agent",), "Claims that were released without their work done"),
    Metric("maia_snapshots_total", Kind.COUNTER, ("agent",), "Snapshots that were stored"),
    Metric("maia_new_videos_total", Kind.COUNTER, ("agent",), "Videos that were discovered"),
    Metric("maia_new_queries_total", Kind.COUNTER, ("agent",), "Tags that became queries"),
    Metric("maia_archived_videos_total", Kind.COUNTER, ("agent",), "Videos whose record was archived"),
    Metric(
        "maia_failed_items_total", Kind.COUNTER, ("agent",),
        "Queries or videos whose work failed, and failed parts of the Janitor's work",
    ),
    Metric("maia_breakouts_total", Kind.COUNTER, ("agent",), "Breakouts that were detected"),
    Metric("maia_deleted_rows_total", Kind.COUNTER, ("agent", "table"), "Rows that the Janitor deleted"),
    Metric("maia_runs_total", Kind.COUNTER, ("agent", "outcome"), "Runs that ended; a churn has the outcome `churn`"),
)  # fmt: skip
"""Of a process while it runs, or pushed at its end."""

DATABASE: Final = _table(
    Metric("maia_build_info", Kind.GAUGE, ("version",), "Always 1; the label is the release that exports"),
    Metric("maia_exported_timestamp_seconds", Kind.GAUGE, (), "When these metrics were read from the database"),
    Metric("maia_tracked_videos", Kind.GAUGE, ("zone",), "Videos that the Tracker reads"),
    Metric("maia_due_videos", Kind.GAUGE, ("zone",), "Videos that are due, also those that a process reads just now"),
    Metric(
        "maia_overdue_videos", Kind.GAUGE, ("zone",),
        "Videos that are late by more than half the zone's interval: the zone's promise is broken for them",
    ),
    Metric("maia_due_lateness_seconds", Kind.GAUGE, ("zone",), "How late the video is that has waited longest"),
    Metric("maia_queries", Kind.GAUGE, ("status",), "Queries in the queue: `active`, `waiting` or `paused`"),
    Metric(
        "maia_quota_spent_calls", Kind.GAUGE, ("bucket",), "Calls that cost quota, since midnight Pacific, of all keys"
    ),
    Metric(
        "maia_quota_refused_calls", Kind.GAUGE, ("bucket",),
        "Calls since midnight Pacific that YouTube refused for quota, rate or key",
    ),
    Metric(
        "maia_quota_left_calls", Kind.GAUGE, ("ring", "bucket"),
        "Calls that the ring's keys may still make today; only with the key pool. Shared keys count in each ring",
    ),
    Metric(
        "maia_quota_limit_calls", Kind.GAUGE, ("ring", "bucket"),
        "Calls that the ring's keys may make in a day; only with the key pool",
    ),
    Metric(
        "maia_quota_reset_timestamp_seconds", Kind.GAUGE, ("ring", "bucket"),
        "When the bucket is next reset; only with the key pool",
    ),
    Metric(
        "maia_recent_runs", Kind.GAUGE, ("agent", "outcome"),
        "Runs that started in the last 24 hours; `unfinished`: it still runs or was killed",
    ),
    Metric(
        "maia_last_run_timestamp_seconds", Kind.GAUGE, ("agent", "outcome"), "When the last run with this outcome ended"
    ),
    Metric("maia_open_breakouts", Kind.GAUGE, (), "Breakouts that have not ended"),
    Metric("maia_recent_breakouts", Kind.GAUGE, (), "Breakouts that were detected in the last 24 hours"),
    Metric("maia_newest_snapshot_timestamp_seconds", Kind.GAUGE, (), "When a video was last read"),
    Metric(
        "maia_unarchived_videos", Kind.GAUGE, (), "Videos that the archive lacks; only with an archive"
    ),
    Metric(
        "maia_archive_lag_seconds", Kind.GAUGE, (),
        "How long the video has waited that has been missing in the archive longest; only with an archive",
    ),
)  # fmt: skip
"""Of what the database knows: `maia metrics`. All are gauges, since old rows are deleted."""
