"""`verdict`: red or green for all shards and waves, from the jobs' results alone.

The table over them comes from the database, through a container; where that cannot be had, a line says so.
"""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from action import summary
from action.cancel import Cancel
from action.errors import ActionError, Cancelled
from action.needs import Needs
from action.result import PATH, figures
from action.step import Ending, Step, judge, numbers
from action.text import fenced, one_line, span
from maia.runtime.exitcodes import ExitCode, Outcome
from maia.workflow.run_report import achieved, outcome_of_run, why_not_more

__all__ = ["TABLE_SECONDS", "run"]

TABLE_SECONDS = 120
"""Seconds that the table may take, the image included: it is an extra, and minutes cost money."""


def run(step: Step) -> Ending:
    """Give the verdict. Raises UsageError, and Cancelled."""
    needs = Needs.parse(step.inputs.needs)
    outcome, code = _judge(step, needs)
    # without a shard there is no row to show, and an image is not pulled for nothing
    table = _table(step) if needs.ran else _Table()
    # the results of the jobs decide; of those that ended well, the rows know how
    # (also of a churn: a user's own job may hand on no output, and GitHub drops one that holds a masked value)
    if outcome is Outcome.OK and table.outcome in {Outcome.IDLE, Outcome.QUOTA_EXHAUSTED, Outcome.CHURN}:
        outcome = table.outcome
    elif outcome is Outcome.CHURN and table.outcome is Outcome.QUOTA_EXHAUSTED and not needs.continued:
        outcome = table.outcome  # why the gate started no further wave
    if needs.ran:
        _notify(step, outcome, table)
    text = summary.heading(f"{step.inputs.agent}, all shards", outcome) + _words(
        needs, outcome, known=not table.missing
    )
    if table.words:
        text += fenced("\n".join(table.words)) + "\n"
    text += table.text
    outputs = {"outcome": str(outcome), "exit-code": str(int(code)), "stats": numbers(table.totals)}
    if needs.churned or outcome is Outcome.CHURN:
        outputs["churned"] = "true"
    return Ending(code, outputs, text)


def _notify(step: Step, outcome: Outcome, table: _Table) -> None:
    """Print in a notice what was achieved, and why not more."""
    words = "\n".join(table.words) or "What the shards achieved is not known here; the summary says why."
    step.runner.notice(f"Maia: {outcome}", f"{step.inputs.agent}, all shards: {words}")


def _judge(step: Step, needs: Needs) -> tuple[Outcome, ExitCode]:
    """Return what the results of the jobs alone say, with an annotation for each that is not well."""
    if needs.failed:
        step.runner.error(
            "Maia: failure",
            f"Failed: {', '.join(needs.failed)}. The annotations and the summary of each job say what to do.",
        )
    if needs.cancelled:
        step.runner.error(
            "Maia: cancelled",
            f"Cancelled, by a person or by the job's time limit: {', '.join(needs.cancelled)}. "
            "What was answered is stored; run it again.",
        )
    if needs.churned:
        step.runner.warning(
            "Maia: churn",
            f"{_churn(needs)}. Everything answered is stored and the rest is left to the next run. If this comes back, "
            "start fewer shards or run less often.",
        )
    if needs.failed:
        return Outcome.FAILURE, ExitCode.FAILURE
    if needs.cancelled:
        return Outcome.CANCELLED, ExitCode.FAILURE
    if needs.churned:
        return Outcome.CHURN, ExitCode.OK
    return (Outcome.OK if needs.ran else Outcome.IDLE), ExitCode.OK


def _churn(needs: Needs) -> str:
    if needs.continued:
        return "Shards of the last wave still met YouTube's rate limit"
    return "Shards met YouTube's rate limit, and no further wave was started"


_ENDED = {
    Outcome.OK: "All shards ended well",
    Outcome.IDLE: "No shard found anything due",
    Outcome.QUOTA_EXHAUSTED: "No shard failed, and the quota is spent",
    Outcome.CHURN: "No shard failed, and YouTube's rate limit was met",
}


def _words(needs: Needs, outcome: Outcome, *, known: bool) -> str:
    """Return how the jobs ended; `known`: the rows of the shards were read."""
    lines = []
    if needs.failed:
        lines.append(f"Failed: {_names(needs.failed)}. Their annotations say what to do.")
    if needs.cancelled:
        lines.append(f"Cancelled, by a person or by the time limit: {_names(needs.cancelled)}.")
    if needs.churned:
        lines.append(f"{_churn(needs)}; the next run goes on.")
    if not needs.ran:
        lines.append("No shard was started; the plan says why.")
    if not lines:
        ended = _ENDED.get(outcome, "No shard failed") if known else "No shard failed"
        lines.append(f"{ended}." if len(needs.ran) == 1 else f"{ended}, after {len(needs.ran)} waves.")
    return "".join(f"{line}\n\n" for line in lines)


def _names(jobs: tuple[str, ...]) -> str:
    return ", ".join(span(job) for job in jobs)


@contextmanager
def _limited(cancel: Cancel, seconds: float) -> Iterator[Cancel]:
    """Give a Cancel for the block alone: it comes when `seconds` are over, or with the job's own."""
    limited = Cancel()
    timer = threading.Timer(seconds, limited.request, (signal.SIGTERM,))
    with cancel.calling(lambda: limited.request(cancel.signum or signal.SIGTERM)):
        timer.start()
        try:
            yield limited
        finally:
            timer.cancel()


@dataclass(frozen=True)
class _Table:
    """What the rows of the shards say.

    Attributes:
        text: Markdown: the table, or why there is none.
        words: what was achieved and why not more, a line each; foreign text.
        outcome: over all shards; None where it is not known.
        missing: why there is no table.
    """

    text: str = ""
    totals: Mapping[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    outcome: Outcome | None = None
    missing: str = ""


def _table(step: Step) -> _Table:
    """Return the table, or why there is none. Raises Cancelled, and nothing else."""
    found = _Table(missing=_TIME_UP)
    try:
        # one limit over all: on a fresh runner the image has to be pulled, and that may hang as well
        with _limited(step.cancel, TABLE_SECONDS) as limited:
            found = _read(replace(step, cancel=limited))
        if limited.signum is not None and not found.text:
            found = _Table(missing=_TIME_UP)
    except Cancelled:
        pass
    except (ActionError, OSError) as error:
        found = _Table(missing=str(error))
    except Exception as error:  # noqa: BLE001  the verdict is that of the jobs: no table of ours turns it red
        with step.runner.foreign() as write:
            write(traceback.format_exc().encode("utf-8", "replace"))
        found = _Table(missing=f"the action itself failed: {type(error).__name__}. This is a bug; report it.")
    step.cancel.check()
    if not found.missing:
        return found
    step.runner.line(f"The table over all shards is left out: {found.missing}")
    text = f"The table over all shards is left out:\n\n{fenced(one_line(found.missing, 300))}"
    return replace(found, text=text)


_TIME_UP = f"its time was up, which is {TABLE_SECONDS} s, with the image."
_MOST_WORDS = 12
_LONGEST_WORDS = 400


def _read(step: Step) -> _Table:
    """Read the rows through a container. Raises ActionError, and Cancelled."""
    containers, _ = step.containers()
    agent = step.inputs.agent
    command = ["python", "-m", "maia", "verdict", agent, "--result-file", PATH]
    ended = containers.run(command, step.settings(), agent="verdict")
    judgement = judge(ended)
    given = judgement.stats.get("rows")
    if not judgement.passes or not isinstance(given, list):
        return _Table(missing=judgement.detail or ended.damaged or f"its container ended with {ended.code}")
    totals = judgement.stats.get("totals")
    rows = [row for row in given if isinstance(row, Mapping)]
    gate = judgement.stats.get("gate")
    gate = gate if isinstance(gate, Mapping) else {}
    words = [achieved(agent, totals if isinstance(totals, Mapping) else {}), *why_not_more(rows, gate)] if rows else []
    return _Table(
        summary.waves(given, totals),
        figures(totals),
        tuple(one_line(line, _LONGEST_WORDS) for line in words[:_MOST_WORDS]),
        outcome_of_run(rows, gate),
    )
