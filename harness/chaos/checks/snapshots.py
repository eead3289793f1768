"""Snapshots: one for each answer, the first with the metadata, and each with the time of an answer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from atlas.times import iso
from harness.chaos.record import Call, Change, Checked, Record, Who

_READINGS = ("videos", "batchGetStats")


class _Readings:
    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls: dict[tuple[Who, str], list[Call]] = {}
        for call in calls:
            if call.good and call.endpoint in _READINGS:
                for id_ in call.ids:
                    self._calls.setdefault((call.who, id_), []).append(call)

    def until(self, snapshot: Change) -> list[Call]:
        """Return the calls that a snapshot can come from, in their order."""
        calls = self._calls.get((snapshot.who, snapshot.key), [])
        return calls[: bisect_right(calls, snapshot.at, key=lambda call: call.at)]


def _snapshots(record: Record) -> list[Change]:
    return [change for change in record.of("video_stats_log") if change.op == "insert" and change.who.place]


def snapshot_once(record: Record) -> Checked:
    """No two snapshots of a video come from one call.

    Between two snapshots of a video, their process got another answer about it: when it repeats a write because the
    answer to its commit was lost, it must not write another snapshot.
    """
    readings = _Readings(record.calls)
    violations: list[str] = []
    last: dict[tuple[Who, str], Call] = {}
    found = _snapshots(record)
    for snapshot in found:
        calls = readings.until(snapshot)
        if not calls:
            continue  # that is another check's
        if last.get((snapshot.who, snapshot.key)) == calls[-1]:
            violations.append(f"{snapshot}: {calls[-1]} has led to a snapshot already")
        last[snapshot.who, snapshot.key] = calls[-1]
    return Checked("no two snapshots come from one call", len(found), violations)


def first_snapshot(record: Record) -> Checked:
    """A video gets its first snapshot with its first metadata; each snapshot has the time of its video's row."""
    violations: list[str] = []
    looked_at = 0
    snapshots = {(change.tx, change.key, change.new["observed_at"]) for change in record.of("video_stats_log")}
    read: set[tuple[int, str, datetime]] = set()
    for change in record.of("videos"):
        if change.op == "delete":
            continue
        updated = change.new["last_updated_at"]
        read.add((change.tx, change.key, updated))
        if change.old.get("enriched_at") is None and change.new["enriched_at"] is not None:
            looked_at += 1
            if (change.tx, change.key, updated) not in snapshots:
                violations.append(f"{change}: it was enriched without a snapshot")
    for snapshot in _snapshots(record):
        looked_at += 1
        if (snapshot.tx, snapshot.key, snapshot.new["observed_at"]) not in read:
            violations.append(f"{snapshot}: it was written beside its video's row")
    return Checked("every enriched video has its first snapshot", looked_at, violations)


def snapshot_times(record: Record) -> Checked:
    """Every snapshot has the time of an answer about its video.

    It is not before the answer: for a video that the process had claimed, an answer since the claim; for another, the
    last one. It is not after the writing. It may be in between: a process that waits for its database writes later.
    """
    readings, clock = _Readings(record.calls), _Clock(record.calls)
    violations: list[str] = []
    found = _snapshots(record)
    claimed = _claimed(record)
    for snapshot in found:
        calls = readings.until(snapshot)
        observed = snapshot.new["observed_at"]
        since = claimed.get((snapshot.tx, snapshot.key))
        mine = [call for call in calls if since is not None and call.at >= since] if since else calls[-1:]
        if not mine:
            violations.append(f"{snapshot}: it comes from no answer about its video")
        elif observed < mine[0].schedule:
            violations.append(f"{snapshot}: observed at {iso(observed)}, and {mine[0]} was at {iso(mine[0].schedule)}")
        elif observed > clock.latest(snapshot.at):
            violations.append(f"{snapshot}: observed at {iso(observed)}, after it was written")
    return Checked("every snapshot bears the time of an answer", len(found), violations)


def _claimed(record: Record) -> dict[tuple[int, str], datetime]:
    """Return (transaction, video) → when the writer had claimed the video, if it had."""
    at = {str(change.new["lease_token"]): change.at for change in record.of("videos") if change.claims}
    return {
        (change.tx, change.key): at[str(token)]
        for change in record.of("videos")
        if (token := change.old.get("lease_token")) is not None and record.claims.get(str(token)) == change.who
    }


class _Clock:
    """The schedule clock, from the calls: each was logged a little after its schedule time was read.

    The call with the least delay gives the clock at any time, to well under the time of a statement.
    """

    _DELAY = timedelta(milliseconds=20)

    def __init__(self, calls: Sequence[Call]) -> None:
        self._speed = 1.0
        self._begin: datetime | None = None
        if len(calls) < 2 or calls[0].at == calls[-1].at:
            return
        first, last = calls[0], calls[-1]
        speed = (last.schedule - first.schedule) / (last.at - first.at)
        self._speed = round(speed) if abs(speed - round(speed)) < 0.02 * speed else speed
        self._real = first.at
        self._begin = max(call.schedule - (call.at - first.at) * self._speed for call in calls)

    def latest(self, real: datetime) -> datetime:
        """Return the latest time that it can have shown at a real time."""
        if self._begin is None:
            return datetime.max.replace(tzinfo=real.tzinfo)
        return self._begin + (real - self._real + self._DELAY) * self._speed
