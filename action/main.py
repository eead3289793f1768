"""Run the step: mask secrets, read the inputs, run the command, write outputs and summary."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from action import summary
from action.cancel import Cancel
from action.commands import check, plan, report, shard, verdict
from action.errors import ActionError, Cancelled
from action.image import ROOT
from action.inputs import PREFIX, Inputs
from action.masks import Masks
from action.runner import Runner
from action.step import Ending, Step
from maia.runtime.exitcodes import ExitCode, Outcome

_COMMANDS: dict[str, Callable[[Step], Ending]] = {
    "hunter": shard.run,
    "tracker": shard.run,
    "janitor": shard.run,
    "plan": plan.run,
    "verdict": verdict.run,
    "check": check.run,
    "report": report.run,
}
_DROPPED = "Maia: an output is dropped"


def main(
    environ: Mapping[str, str] | None = None,
    out: BinaryIO | None = None,
    cancel: Cancel | None = None,
    root: Path = ROOT,
) -> int:
    """Run the step; return the exit code. Without `cancel`, take the signals of this process."""
    environ = dict(os.environ) if environ is None else environ
    # if standard output is closed, the step works without printing
    runner = Runner(environ, out or (sys.stdout.buffer if sys.stdout else BytesIO()))
    masks = Masks(environ)
    masks.announce(runner)
    masks.warn(runner, environ)
    if cancel is None:
        cancel = Cancel()
        cancel.install()
    ending = _check_outputs(_ending(environ, runner, cancel, root), masks, runner)
    for name, value in ending.outputs.items():
        runner.output(name, value)
    runner.summary(ending.summary)
    return int(ending.code)


def _ending(environ: Mapping[str, str], runner: Runner, cancel: Cancel, root: Path) -> Ending:
    what = environ.get(PREFIX + "COMMAND", "").strip() or "hunter"
    what = what if what in _COMMANDS else "action"
    try:
        inputs = Inputs.read(environ)
        # inputs are not passed to child processes: one may be longer than an environment variable may be
        rest = {name: value for name, value in environ.items() if not name.startswith(PREFIX)}
        return _COMMANDS[inputs.command](Step(inputs, rest, runner, cancel, root))
    except ActionError as error:
        runner.error(error.title, str(error))
        return _ending_of_error(what, error.code, error.outcome, summary.failed(what, error.title, str(error)))
    except Cancelled as cancelled:
        runner.notice("Maia: cancelled", "Cancelled before the work was done; no container is left.")
        text = summary.heading(what, Outcome.CANCELLED)
        return _ending_of_error(what, cancelled.code, Outcome.CANCELLED, text)
    except Exception as error:  # noqa: BLE001  report it, and still write the outputs
        with runner.foreign() as write:
            write(traceback.format_exc().encode("utf-8", "replace"))
        title, message = "Maia: failure", f"The action itself failed: {type(error).__name__}. This is a bug; report it."
        runner.error(title, message)
        return _ending_of_error(what, ExitCode.FAILURE, Outcome.FAILURE, summary.failed(what, title, message))


def _ending_of_error(what: str, code: int, outcome: Outcome, text: str) -> Ending:
    """Return the ending of a step that an exception ended."""
    outputs = {"stats": "{}", "outcome": str(outcome), "exit-code": str(int(code))}
    return Ending(int(code), outputs | ({"shards": "[]"} if what == "plan" else {}), text)


def _check_outputs(ending: Ending, masks: Masks, runner: Runner) -> Ending:
    """Return the ending, after a warning for each output that the runner will drop.

    If an essential output is dropped, return the ending of a failed step.
    """
    lost = []
    for name, value in ending.outputs.items():
        mask = masks.hidden_in(value)
        if mask is None:
            continue
        advice = " Write the secret on one line." if mask.what == "a line" else ""
        message = (
            f"{mask.what.capitalize()} of {mask.setting} is so short that it occurs in the output `{name}`. GitHub "
            f"masks it, and drops every job output that holds a masked value.{advice}"
        )
        if name in ending.essential:
            message += " Without it no shard can start."
            lost.append(message)
            runner.error(_DROPPED, message)
        else:
            # This includes `churned`, which a user's own workflow may make a job output. The waves of maia.yml are not
            # affected: their job output is "+", not "true" (see needs.py).
            runner.warning(_DROPPED, message)
    if not lost or ending.code:
        return ending
    text = summary.failed("plan", _DROPPED, "\n".join(lost))
    outputs = {**ending.outputs, "shards": "[]", "outcome": str(Outcome.CONFIG), "exit-code": str(int(ExitCode.CONFIG))}
    return Ending(ExitCode.CONFIG, outputs, text)
