"""Leases: no claim outlives its lease, no process writes on another's, and none keeps one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from harness.chaos.record import Change, Checked, Process, Record
from maia.runtime.shutdown import GRACE_SECONDS

_LEASED = ("search_queue", "videos")
_TOPIC = (
    "status", "next_page_token", "last_searched_at", "due_at", "page", "published_after", "published_before",
    "round_before", "round_ended_at", "oldest_read", "restarts", "empty_answers", "searches", "results",
)  # fmt: skip
_VIDEO = ("due_at", "last_updated_at", "zone", "absences", "last_absent_at", "retired_at")
_ABSENCE = ("absences", "last_absent_at", "retired_at")


def lease_holds(record: Record) -> Checked:
    """No claim outlives its lease, and none is taken from its holder.

    Counted as the claims count, by the transaction's own now(): a claim lasts for the lease at most; a row is claimed
    only if it was free or its lease had ended; nothing lengthens a lease; only its holder releases it. At the end, when
    every process has ended and those that were killed are dead for longer than a lease, no row is held.
    """
    lease = timedelta(seconds=record.lease_seconds)
    violations: list[str] = []
    looked_at = 0
    for change in record.changes:
        if change.relation not in _LEASED or change.op != "update":
            continue
        before, until = change.old["leased_until"], change.new["leased_until"]
        if change.claims:
            looked_at += 1
            if until is None or until - change.began > lease:
                violations.append(f"{change}: claimed for longer than {lease.total_seconds():g} s")
            if before is not None and before >= change.began:
                holder = record.claims.get(str(change.old["lease_token"]))
                violations.append(f"{change}: claimed while {holder or 'an unknown process'} held it")
        elif change.ends_lease:
            looked_at += 1
            if not _holds(record, change):
                violations.append(f"{change}: released by another than who had claimed it")
        elif until != before:
            violations.append(f"{change}: its lease was changed without a claim")
    for name, rows in (("topic", record.topics), ("video", record.videos)):
        for key, row in rows.items():
            looked_at += 1
            if row["leased_until"] is not None and record.gathered and row["leased_until"] >= record.gathered:
                violations.append(f"{name} {key} is held by {row['leased_by']} at the end")
    return Checked("no claim outlives its lease", looked_at, violations)


def _holds(record: Record, change: Change) -> bool:
    """Return whether the writer held the row's lease. After its time it still does, until another claims the row."""
    token = change.old.get("lease_token")
    return token is not None and record.claims.get(str(token)) == change.who


def written_by_holder(record: Record) -> Checked:
    """No page token and no due time was written by a shard whose lease had passed to another.

    The progress of a row may be written only by the process whose claim is on it. Any process may make a topic
    claimable when its time has come, and store a video's metadata with what belongs to it: the first due time, and the
    end of an absence. A snapshot comes with the row that it was written for.
    """
    violations: list[str] = []
    looked_at = 0
    for change in record.changes:
        if not change.who.place or change.op != "update" or change.relation not in _LEASED:
            continue
        written = change.changes(*(_TOPIC if change.relation == "search_queue" else _VIDEO))
        if not written:
            continue
        looked_at += 1
        free = _promoted(change) if change.relation == "search_queue" else _enriched(change, written)
        if not free and not _holds(record, change):
            holder = record.claims.get(str(change.old["lease_token"]))
            violations.append(f"{change}: wrote {', '.join(written)} while {holder or 'no process'} held it")
    return Checked("nothing is written on another's lease", looked_at, violations)


def _promoted(change: Change) -> bool:
    """Return whether the change only makes a topic claimable."""
    return (
        change.changes(*_TOPIC) == ["status", "due_at"]
        and (change.old["status"], change.new["status"]) == ("waiting", "active")
        and change.old["due_at"] is not None
        and change.new["due_at"] is None
    )


def _enriched(change: Change, written: list[str]) -> bool:
    """Return whether all of it belongs to metadata that was read anew."""
    if change.new["enriched_at"] is None or not change.changes("enriched_at"):
        return False
    first, revived = change.old["enriched_at"] is None, change.old["retired_at"] is not None
    free = set(_ABSENCE)
    if first or revived:
        free |= {"due_at", "zone"}
    if first:
        free.add("last_updated_at")
    return set(written) <= free


def claims_given_back(record: Record) -> Checked:
    """A process that ends regularly has released its claims.

    Regularly: with 0, or for a rate limit, or for SIGTERM within its grace period, with a database that it could
    reach. A claim that another shard has taken over is no longer its own. The leases of all others end by themselves,
    also where a claim's answer was lost, because the connection was cut with the signal.
    """
    violations: list[str] = []
    looked_at = 0
    held: dict[tuple[str, str], Change] = {}
    for change in record.changes:
        if change.relation not in _LEASED:
            continue
        if change.claims:
            held[change.relation, change.key] = change
        elif change.new.get("lease_token") is None:
            held.pop((change.relation, change.key), None)
        for overtaken in _overtaken(record, change):
            looked_at += 1
            violations.append(overtaken)
    for claim in held.values():
        process = record.process_of.get(claim.who)
        if process is not None and _ended_regularly(record, process):
            violations.append(f"{claim}: the claim was kept by {process}, which ended with {process.code}")
    looked_at += sum(_ended_regularly(record, process) for process in record.processes)
    return Checked("claims are released", looked_at, violations)


def _overtaken(record: Record, change: Change) -> Iterator[str]:
    """Yield a claim by another that found the lease of a process that had ended regularly."""
    if not change.claims or change.old.get("lease_token") is None:
        return
    holder = record.claims.get(str(change.old["lease_token"]))
    process = record.process_of.get(holder) if holder is not None else None
    if process is not None and process.ended < change.at and _ended_regularly(record, process):
        yield f"{change}: it still bore the claim of {process}, which had ended with {process.code}"


def _ended_regularly(record: Record, process: Process) -> bool:
    if record.struck(process):
        return False
    if process.code in (0, 75):
        return True
    asked = [fault.at for fault in record.struck(process, "term") if not fault.cuts]
    return process.code == 143 and bool(asked) and process.ended - min(asked) < timedelta(seconds=GRACE_SECONDS)
