"""The count of calls in the database, against the API's own log."""

from __future__ import annotations

from collections import Counter

from harness.chaos.record import Checked, Process, Record, Who


def calls_counted(record: Record) -> Checked:
    """Calls are counted before they are made, and each is counted.

    For each process, key and bucket: at any time it has reserved at least as many calls as the API has seen. At its end
    the numbers are equal if it ended by itself and lost no connection. A process that was killed or signalled may have
    reserved calls that were in flight: as many as it makes at once. And each outage or cut (also of its connection
    alone, where it was struck at a step) may have lost the answer to a reservation, which was then made a second time:
    as many again. No row ever counts more settled calls than reserved ones.
    """
    violations: list[str] = []
    reserved: Counter[tuple[Who, str]] = Counter()
    logged: Counter[tuple[Who, str]] = Counter()
    entries = [
        (change.at, 0, change.who, change.key, change.new["reserved"] - change.old.get("reserved", 0))
        for change in record.of("api_calls")
    ]
    entries += [(call.at, 1, call.who, f"{call.key} {call.bucket}", 1) for call in record.calls if call.key]
    violations += [
        f"{change.who}: {change.key} counts {change.new['settled']} settled calls of {change.new['reserved']} reserved"
        for change in record.of("api_calls")
        if change.new.get("settled", 0) > change.new["reserved"]
    ]
    over: set[tuple[Who, str]] = set()
    for _, kind, who, key, number in sorted(entries):
        if not who.place:
            continue
        (logged if kind else reserved)[who, key] += number
        if logged[who, key] > reserved[who, key] and (who, key) not in over:
            over.add((who, key))
            violations.append(f"{who}: a call of {key} was made that was not counted")
    for process in record.processes:
        more = sum(reserved[of] - logged[of] for of in reserved | logged if of[0] == process.who)
        most = _in_flight(record, process)
        if more > most:
            violations.append(
                f"{process}: {more} calls more are counted than were made; {most} at most can have been in flight"
            )
    return Checked("calls are counted", logged.total(), violations)


def _in_flight(record: Record, process: Process) -> int:
    """Return how many calls a process can have reserved and not made."""
    ended = process.code < 0 or process.code in (130, 143)
    cuts = [fault for fault in record.struck(process, "restart", "cut", "freeze", "term") if fault.cuts]
    return process.concurrency * (ended + len(cuts))
