"""`verdict`: pass or fail for all shards and waves, from the jobs' results alone.

A container reads the table of shards from the database; if that fails, a line says why.
"""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from action import run_figures, summary
from action.cancel import Cancel
from action.errors import ActionError, Cancelled
from action.needs import Needs
from action.result import PATH, figures
from action.step import Ending, Step, judge, numbers
from action.text import fenced, one_line, span
from maia.runtime.exitcodes import ExitCode, Outcome
from maia.workflow.run_report import achieved, outcome_of_run, why_not_more

TABLE_SECONDS = 120
"""Time limit for the table, with the image, in seconds: it is optional, and runner minutes cost money."""


def run(step: Step) -> Ending:
    """Give the verdict. Raises UsageError, and Cancelled."""
    needs = Needs.parse(step.inputs.needs)
    outcome, code = _judge(step, needs)
    # without shards there are no rows, so do not pull an image
    table = _table(step) if needs.ran else _Table()
    # the jobs' results decide; after a success, the rows tell idle, spent quota and churn apart (also churn: a user's
    # own job may lack that output, and GitHub drops one that contains a masked value)
    if outcome is Outcome.OK and table.outcome in {Outcome.IDLE, Outcome.QUOTA_EXHAUSTED, Outcome.CHURN}:
        outcome = table.outcome
    elif outcome is Outcome.CHURN and table.outcome is Outcome.QUOTA_EXHAUSTED and not needs.continued:
        outcome = table.outcome  # the reason why the gate started no further wave
    what = f"{step.inputs.agent}, all shards"
    words = "\n".join(table.words)
    if needs.ran:
        unknown = "What the shards achieved is not known here; the summary says why."
        step.runner.notice(f"Maia: {outcome}", f"{what}: {words or unknown}")
    text = summary.heading(what, outcome) + _words(needs, outcome, known=not table.missing)
    text += (fenced(words) + "\n" if words else "") + table.report + table.text
    outputs = {"outcome": str(outcome), "exit-code": str(int(code)), "stats": numbers(table.totals)}
    if needs.churned or outcome is Outcome.CHURN:
        outputs["churned"] = "true"
    return Ending(code, outputs, text)


def _judge(step: Step, needs: Needs) -> tuple[Outcome, ExitCode]:
    """Judge the results of the jobs alone, with an annotation for each kind of problem."""
    ends = [(Outcome.OK if needs.ran else Outcome.IDLE, ExitCode.OK)]
    if needs.churned:
        step.runner.warning(
            "Maia: churn",
            f"{_churn(needs)}. All answers are stored; the next run does the rest. If this happens again, start "
            "fewer shards or run less often.",
        )
        ends.append((Outcome.CHURN, ExitCode.OK))
    if needs.cancelled:
        step.runner.error(
            "Maia: cancelled",
            f"Cancelled, by a person or by the job's time limit: {', '.join(needs.cancelled)}. "
            "What was answered is stored; run it again.",
        )
        ends.append((Outcome.CANCELLED, ExitCode.FAILURE))
    if needs.failed:
        message = f"Failed: {', '.join(needs.failed)}. The annotations and the summary of each job say what to do."
        step.runner.error("Maia: failure", message)
        ends.append((Outcome.FAILURE, ExitCode.FAILURE))
    return ends[-1]


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
    """Return sentences on how the jobs ended; `known`: the rows of the shards were read."""
    lines = []
    failed, cancelled = (", ".join(map(span, jobs)) for jobs in (needs.failed, needs.cancelled))
    if failed:
        lines.append(f"Failed: {failed}. Their annotations say what to do.")
    if cancelled:
        lines.append(f"Cancelled, by a person or by the time limit: {cancelled}.")
    if needs.churned:
        lines.append(f"{_churn(needs)}; the next run continues.")
    if not needs.ran:
        lines.append("No shard was started; the plan says why.")
    if not lines:
        ended = _ENDED.get(outcome, "No shard failed") if known else "No shard failed"
        lines.append(f"{ended}." if len(needs.ran) == 1 else f"{ended}, after {len(needs.ran)} waves.")
    return "".join(f"{line}\n\n" for line in lines)


@contextmanager
def _limited(cancel: Cancel, seconds: float) -> Iterator[Cancel]:
    """Yield a Cancel that is requested after `seconds`, or when the job is cancelled."""
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
    """The table of the shards, and its conclusions."""

    text: str = ""  # Markdown: the table, or why it is missing
    report: str = ""  # Markdown: what the run left in the database
    totals: Mapping[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()  # what was achieved and why not more, a line each; foreign text
    outcome: Outcome | None = None  # over all shards; None if unknown
    missing: str = ""  # why there is no table


def _table(step: Step) -> _Table:
    """Return the table, or why there is none. Raises Cancelled, and nothing else."""
    found = _Table(missing=_TIME_UP)
    try:
        # one limit for all: a fresh runner has to pull the image, which may hang as well
        with _limited(step.cancel, TABLE_SECONDS) as limited:
            found = _read(replace(step, cancel=limited))
        if limited.signum is not None and not found.text:
            found = _Table(missing=_TIME_UP)
    except Cancelled:
        pass
    except (ActionError, OSError) as error:
        found = _Table(missing=str(error))
    except Exception as error:  # noqa: BLE001  the verdict comes from the jobs; the table must not fail it
        with step.runner.foreign() as write:
            write(traceback.format_exc().encode("utf-8", "replace"))
        found = _Table(missing=f"the action itself failed: {type(error).__name__}. This is a bug; report it.")
    step.cancel.check()
    if not found.missing:
        return found
    step.runner.line(f"The table over all shards is left out: {found.missing}")
    text = f"The table over all shards is left out:\n\n{fenced(one_line(found.missing, 300))}"
    return replace(found, text=text)


_TIME_UP = f"it was not ready within {TABLE_SECONDS} s, the image included."
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
        run_figures.of_run(judgement.stats),
        figures(totals),
        tuple(one_line(line, _LONGEST_WORDS) for line in words[:_MOST_WORDS]),
        outcome_of_run(rows, gate),
    )
