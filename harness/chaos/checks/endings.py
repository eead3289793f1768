"""How processes end: with a code of the contract that fits, a whole result file, and no traceback."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress

from harness.chaos.record import Checked, Process, Record, ResultFile
from maia.runtime.exitcodes import ExitCode, Outcome, entry

_RATE_LIMITS = frozenset({"rate-limit", "user-rate-limit"})


def code_fits(record: Record) -> Checked:
    """Every process ended with a code of the contract, and with one that its plan explains.

    By a signal only if the driver sent that one; by SIGTERM itself, rather than with 143, only a process that had not
    done anything: until Python runs, nothing handles the signal. 143 after SIGTERM, 75 after a rate limit of the API,
    69 if it could not reach its database, 1 after a failed call. 2, 78 and 130 have no cause in a run.
    """
    violations = [
        f"{process} ended with {process.code}: {reason}"
        for process in record.processes
        if (reason := _unfit(record, process))
    ]
    return Checked("every process ends with a code of the contract", len(record.processes), violations)


def _unfit(record: Record, process: Process) -> str | None:
    code = process.code
    calls = record.calls_of.get(process.who, ())
    if code < 0:
        if process.killed != _name(-code):
            return f"the driver sent it {process.killed or 'nothing'}"
        if -code == signal.SIGKILL:
            return None
        began = bool(calls) or any(change.who == process.who for change in record.changes)
        return "it was at work, and did not end by itself" if began else None
    if entry(code) is None:
        return "that is no code of the contract"
    causes = {
        ExitCode.OK: True,
        ExitCode.FAILURE: any(not call.good for call in calls),
        ExitCode.UNAVAILABLE: bool(record.struck(process)),
        ExitCode.CHURN: any(call.fault in _RATE_LIMITS for call in calls),
        ExitCode.SIGTERM: process.killed == "SIGTERM",
    }
    return None if causes.get(ExitCode(code), False) else "nothing that happened to it explains that"


def _name(number: int) -> str | None:
    with suppress(ValueError):
        return signal.Signals(number).name
    return None


def result_fits(record: Record) -> Checked:
    """Every result file is complete, of its process, and fits its exit code; each process that ended left one.

    A process that was killed may have written it just before.
    """
    files = {file.name: file for file in record.results}
    violations: list[str] = []
    for process in record.processes:
        agent, _, shard = process.place.partition(" ")
        name = f"{agent}-{shard.partition('/')[0]}-{process.run}.json"
        file = files.pop(name, None)
        if file is not None:
            violations += [f"{name}, {process}: {reason}" for reason in _misfit(file, process)]
        elif process.code in (ExitCode.OK, ExitCode.FAILURE, ExitCode.UNAVAILABLE, ExitCode.CHURN):
            violations.append(f"{process} ended with {process.code} and left no {name}")
    violations += [f"{name}: of no process" for name in files]
    return Checked("every result file is whole and fits", len(record.results), violations)


def _misfit(file: ResultFile, process: Process) -> Iterator[str]:
    result = file.value
    if result is None:
        yield "it is no whole JSON object"
        return
    if f"{result.get('agent')} {result.get('shard')}" != process.place:
        yield f"it is of {result.get('agent')} {result.get('shard')}"
    code = result.get("exit_code")
    if process.code >= 0 and code != process.code:
        yield f"it says {code}, and the process ended with {process.code}"
    try:
        outcome = Outcome(result["outcome"])
    except (KeyError, ValueError):
        yield f"its outcome is {result.get('outcome')!r}"
        return
    cancelled = outcome is Outcome.CANCELLED and code in (ExitCode.SIGINT, ExitCode.SIGTERM)
    if code != outcome.exit_code and not cancelled:
        yield f"its outcome is {outcome}, its code {code}"
    if (code == ExitCode.OK) is ("error" in result):
        yield "it has an error for success" if code == ExitCode.OK else "it does not say what went wrong"
    if not isinstance(result.get("stats"), dict):
        yield "it has no stats"


def no_traceback(record: Record) -> Checked:
    """No process wrote a traceback, or left a task's exception to the interpreter."""
    return Checked("no process wrote a traceback", sum(record.logs.values()), list(record.leftover))
