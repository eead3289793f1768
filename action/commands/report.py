"""`report`: make the page in the container, and give out the folder on the runner that holds it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from action import summary
from action.container import PAGE
from action.step import Ending, Step, judge, numbers

NAME = "index.html"
"""The page's name in its folder, which GitHub Pages and people open first."""


def run(step: Step) -> Ending:
    """Make the page. Raises ActionError, and Cancelled."""
    containers, seconds = step.containers()
    folder = Path(tempfile.mkdtemp(prefix="maia-report-", dir=step.environ.get("RUNNER_TEMP") or None))
    folder.chmod(0o755)  # later steps may have another user
    days = ["--days", str(step.inputs.days)] if step.inputs.days is not None else []
    command = ["python", "-m", "maia", "report", "--output", PAGE, *days]
    ended = containers.run(command, step.settings(), page=folder / NAME)
    step.cancel.check()
    judgement = judge(ended)
    judgement.annotate(step.runner, "report")
    outputs = {"outcome": str(judgement.outcome), "exit-code": str(ended.code), "stats": numbers({})}
    text = summary.heading("report", judgement.outcome)
    if not judgement.passes:
        return Ending(judgement.code, outputs, text + summary.judged(judgement))
    size = (folder / NAME).stat().st_size
    text += f"The page has {size:,} bytes. Time: {summary.split(seconds, ended.times)}.\n"
    return Ending(judgement.code, outputs | {"page": str(folder)}, text)
