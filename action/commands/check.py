"""`check`: whether collection is stale or failing; with GITHUB_TOKEN, keep one issue about it.

The issue is opened when collection is not well, updated while it stays so, and closed with a comment when it is well.
"""

from __future__ import annotations

from datetime import UTC, datetime

from action import summary
from action.advice import in_a_workflow
from action.github import Issues, Kept
from action.masks import Masks
from action.step import Ending, Step, judge, numbers, run_url
from action.text import fenced, one_line
from maia.runtime.exitcodes import ExitCode

_TITLES = {
    ExitCode.FAILURE: "Maia: collection is stale or failing",
    ExitCode.UNAVAILABLE: "Maia: the database cannot be reached",
    ExitCode.CONFIG: "Maia: a setting or the schema is wrong",
}
"""Exit code of `maia status --check` → title of the issue. Other codes say nothing about the collection."""


def run(step: Step) -> Ending:
    """Check, and keep the issue. Raises ActionError, and Cancelled."""
    containers, _ = step.containers()
    command = ["python", "-m", "maia", "status", "--check"]
    command += ["--max-age", step.inputs.max_age] if step.inputs.max_age else []
    ended = containers.run(command, step.settings())
    step.cancel.check()
    judgement = judge(ended)
    outputs = {"outcome": str(judgement.outcome), "exit-code": str(ended.code), "stats": numbers({})}
    found = in_a_workflow(ended.output)
    shown = "Nothing is stale or failing.\n" if judgement.passes else fenced(found)
    text = summary.heading("check", judgement.outcome) + shown + "\n"
    title = _TITLES.get(ended.code)  # type: ignore[call-overload]
    if not judgement.passes and (title is None or not ended.started):
        judgement.annotate(step.runner, "check")
        return Ending(judgement.code, outputs, text)
    if title is not None:
        step.runner.warning(title, one_line(judgement.detail) or "Read the log above.")
    if not step.environ.get("GITHUB_TOKEN", "").strip() or step.environ.get("ACT") == "true":
        return Ending(judgement.code, outputs, text)  # under act there is no repository at GitHub to write to
    kept = _keep(step, ended.code, title, found)
    step.runner.line(f"issue: {kept.done}{f' {kept.url}' if kept.url else ''}")
    if kept.number is not None:
        outputs["issue"] = str(kept.number)
        text += f"Issue #{kept.number} is {kept.done}.\n"
    return Ending(ExitCode.OK, outputs, text)


def _keep(step: Step, code: int, title: str | None, found: str) -> Kept:
    """Bring the issue to the state of the collection. Raises ActionError, and Cancelled."""
    issues = Issues(step.environ, step.cancel.wait)
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    url = run_url(step.environ)
    where = f"{now}, by [this run]({url})" if url else now
    if title is None:
        return issues.close(f"Collection is well again, as of {where}.")
    body = (
        f"`maia status --check` ended with {code}:\n\n{fenced(_hidden(step, found))}\n"
        f"Last looked at {where}. This text changes with every check, and the issue is closed when collection is well "
        "again. What to do: [troubleshooting](https://github.com/pleiades/maia/blob/v1/docs/troubleshooting.md)."
    )
    return issues.keep(title, body)


def _hidden(step: Step, text: str) -> str:
    """Return the text without secrets: the runner masks its log, and no issue."""
    masks = Masks(step.environ)
    values = [step.environ["GITHUB_TOKEN"].strip(), *(mask.value for mask in (*masks.own, *masks.lines))]
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "***")
    return text
