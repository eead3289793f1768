"""`verdict`: red or green for all shards and waves, from the jobs' results alone.

The table over them comes from the database, through a container; where that cannot be had, a line says so.
"""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from action import summary
from action.cancel import Cancel
from action.errors import ActionError, Cancelled
from action.markdown import fenced, span
from action.needs import Needs
from action.result import PATH, figures
from action.step import Ending, Step, judge, numbers
from action.text import one_line
from maia.exitcodes import ExitCode, Outcome

__all__ = ["TABLE_SECONDS", "run"]

TABLE_SECONDS = 120
"""How long the table may take, the image included: it is an extra, and minutes cost money."""


def run(step: Step) -> Ending:
    """Raises UsageError, and Cancelled."""
    needs = Needs.parse(step.inputs.needs)
    outcome, code = _judge(step, needs)
    text = summary.heading(f"{step.inputs.agent}, all shards", outcome) + _words(needs)
    stats: dict[str, Any] = {}
    # without a shard there is no row to show, and an image is not pulled for nothing
    if needs.ran:
        added, stats = _table(step)
        text += added
    outputs = {"outcome": str(outcome), "exit-code": str(int(code)), "stats": numbers(stats)}
    if needs.churned:
        outputs["churned"] = "true"
    return Ending(code, outputs, text)


def _judge(step: Step, needs: Needs) -> tuple[Outcome, ExitCode]:
    runner = step.runner
    if needs.failed:
        runner.error(
            "Maia: failure",
            f"Failed: {', '.join(needs.failed)}. The annotations and the summary of each job say what to do.",
        )
    if needs.cancelled:
        runner.error(
            "Maia: cancelled",
            f"Cancelled, by somebody or by the job's time limit: {', '.join(needs.cancelled)}. "
            "What was answered is stored; run it again.",
        )
    if needs.churned:
        runner.warning(
            "Maia: churn",
            "A shard of the last wave still met YouTube's rate limit. Everything answered is stored and the rest is "
            "left to the next run. If this comes back, start fewer shards or run less often.",
        )
    if needs.failed:
        return Outcome.FAILURE, ExitCode.FAILURE
    if needs.cancelled:
        return Outcome.CANCELLED, ExitCode.FAILURE
    if needs.churned:
        return Outcome.CHURN, ExitCode.OK
    return (Outcome.OK if needs.ran else Outcome.IDLE), ExitCode.OK


def _words(needs: Needs) -> str:
    lines = []
    if needs.failed:
        lines.append(f"Failed: {_names(needs.failed)}. Their annotations say what to do.")
    if needs.cancelled:
        lines.append(f"Cancelled, by somebody or by the time limit: {_names(needs.cancelled)}.")
    if needs.churned:
        lines.append("Shards of the last wave still met YouTube's rate limit; the next run goes on.")
    if not needs.ran:
        lines.append("No shard was started; the plan says why.")
    if not lines:
        count = len(needs.ran)
        lines.append("All shards ended well." if count == 1 else f"All shards ended well, after {count} waves.")
    return "".join(f"{line}\n\n" for line in lines)


def _names(jobs: tuple[str, ...]) -> str:
    return ", ".join(span(job) for job in jobs)


@contextmanager
def _limited(cancel: Cancel, seconds: float) -> Iterator[Cancel]:
    """A Cancel for the block alone: it comes when `seconds` are over, or with the job's own."""
    limited = Cancel()
    timer = threading.Timer(seconds, limited.request, (signal.SIGTERM,))
    with cancel.calling(lambda: limited.request(cancel.signum or signal.SIGTERM)):
        timer.start()
        try:
            yield limited
        finally:
            timer.cancel()


def _table(step: Step) -> tuple[str, dict[str, Any]]:
    """The Markdown of the table, or of why there is none, and the totals. Raises Cancelled, and nothing else."""
    added, why = "", ""
    totals: dict[str, Any] = {}
    try:
        # one limit over all: on a fresh runner the image has to be pulled, and that may hang as well
        with _limited(step.cancel, TABLE_SECONDS) as limited:
            added, totals, why = _read(replace(step, cancel=limited))
        if limited.signum is not None:
            why = _TIME_UP
    except Cancelled:
        why = _TIME_UP
    except (ActionError, OSError) as error:
        why = str(error)
    except Exception as error:  # noqa: BLE001  the verdict is that of the jobs: no table of ours turns it red
        with step.runner.foreign() as write:
            write(traceback.format_exc().encode("utf-8", "replace"))
        why = f"the action itself failed: {type(error).__name__}. This is a bug; report it."
    step.cancel.check()
    if added:
        return added, totals
    step.runner.line(f"The table over all shards is left out: {why}")
    return f"The table over all shards is left out:\n\n{fenced(one_line(why, 300))}", {}


_TIME_UP = f"its time was up, which is {TABLE_SECONDS} s, with the image."


def _read(step: Step) -> tuple[str, dict[str, Any], str]:
    """The table and the totals, or why there are none. Raises ActionError, and Cancelled."""
    containers, _ = step.containers()
    command = ["python", "-m", "maia", "verdict", step.inputs.agent, "--result-file", PATH]
    ended = containers.run(command, step.settings(), agent="verdict")
    judgement = judge(ended)
    rows = judgement.stats.get("rows")
    if judgement.passes and isinstance(rows, list):
        totals = judgement.stats.get("totals")
        return summary.waves(rows, totals), figures(totals), ""
    return "", {}, judgement.detail or ended.damaged or f"its container ended with {ended.code}"
