"""`verdict`: red or green for all shards and waves, from the jobs' results alone.

The table over them comes from the database, through a container; where that cannot be had, a line says so.
"""

from __future__ import annotations

from action import summary
from action.errors import ActionError, Cancelled
from action.markdown import escaped
from action.needs import Needs
from action.result import PATH
from action.step import Ending, Step, judge, numbers
from action.text import one_line
from maia.exitcodes import ExitCode, Outcome

__all__ = ["TABLE_SECONDS", "run"]

TABLE_SECONDS = 120
"""How long the table may take: it is an extra, and minutes cost money."""


def run(step: Step) -> Ending:
    """Raises UsageError, and Cancelled."""
    needs = Needs.parse(step.inputs.needs)
    outcome, code = _judge(step, needs)
    text = summary.heading(f"{step.inputs.agent}, all shards", outcome) + _words(needs)
    stats: object = {}
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
        lines.append(f"Failed: {escaped(', '.join(needs.failed))}. Their annotations say what to do.")
    if needs.cancelled:
        lines.append(f"Cancelled, by somebody or by the time limit: {escaped(', '.join(needs.cancelled))}.")
    if needs.churned:
        lines.append("Shards of the last wave still met YouTube's rate limit; the next run goes on.")
    if not needs.ran:
        lines.append("No shard was started; the plan says why.")
    if not lines:
        count = len(needs.ran)
        lines.append("All shards ended well." if count == 1 else f"All shards ended well, after {count} waves.")
    return "".join(f"{line}\n\n" for line in lines)


def _table(step: Step) -> tuple[str, object]:
    """The Markdown of the table, or the line that stands for it, and the totals."""
    try:
        containers, _ = step.containers()
        command = ["python", "-m", "maia", "verdict", step.inputs.agent, "--result-file", PATH]
        ended = containers.run(command, step.settings(), agent="verdict", seconds=TABLE_SECONDS)
        step.cancel.check()
        judgement = judge(ended)
        rows = judgement.stats.get("rows")
        if judgement.passes and isinstance(rows, list):
            totals = judgement.stats.get("totals")
            return summary.waves(rows, totals), totals
        why = judgement.detail or ended.damaged or f"its container ended with {ended.code}"
    except Cancelled:
        raise
    except (ActionError, OSError) as error:
        why = str(error)
    step.runner.line(f"The table over all shards is left out: {why}")
    return f"The table over all shards is left out: {escaped(one_line(why, 300))}\n", {}
