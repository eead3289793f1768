"""The step: masks first, then the inputs, the command, and what is left for the workflow."""

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
from action.commands import plan, shard, verdict
from action.errors import ActionError, Cancelled
from action.image import ROOT
from action.inputs import PREFIX, Inputs
from action.masks import Masks
from action.runner import Runner
from action.step import Ending, Step
from maia.runtime.exitcodes import ExitCode, Outcome

__all__ = ["main"]

_COMMANDS: dict[str, Callable[[Step], Ending]] = {
    "hunter": shard.run,
    "tracker": shard.run,
    "janitor": shard.run,
    "plan": plan.run,
    "verdict": verdict.run,
}
_EMPTIED = "Maia: a secret empties an output"


def main(
    environ: Mapping[str, str] | None = None,
    out: BinaryIO | None = None,
    cancel: Cancel | None = None,
    root: Path = ROOT,
) -> int:
    """Run the step; return the exit code. Without `cancel`, take the signals of this process."""
    environ = dict(os.environ) if environ is None else environ
    # where standard output is closed, nothing can be printed; the work is done all the same
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
        # what was read is not handed on: an input may be longer than a program takes
        rest = {name: value for name, value in environ.items() if not name.startswith(PREFIX)}
        return _COMMANDS[inputs.command](Step(inputs, rest, runner, cancel, root))
    except ActionError as error:
        runner.error(error.title, str(error))
        return _early(what, error.code, error.outcome, summary.failed(what, error.title, str(error)))
    except Cancelled as cancelled:
        runner.notice("Maia: cancelled", "Cancelled before the work was done; no container is left.")
        text = summary.heading(what, Outcome.CANCELLED)
        return _early(what, cancelled.code, Outcome.CANCELLED, text)
    except Exception as error:  # noqa: BLE001  whatever it is, the step says so and has its outputs
        with runner.foreign() as write:
            write(traceback.format_exc().encode("utf-8", "replace"))
        title, message = "Maia: failure", f"The action itself failed: {type(error).__name__}. This is a bug; report it."
        runner.error(title, message)
        return _early(what, ExitCode.FAILURE, Outcome.FAILURE, summary.failed(what, title, message))


def _early(what: str, code: int, outcome: Outcome, text: str) -> Ending:
    """Return the end of a step that had no container to judge."""
    return Ending(int(code), {"stats": "{}", **_outputs(what, code, outcome)}, text)


def _outputs(what: str, code: int, outcome: Outcome) -> dict[str, str]:
    """Return the outputs of a step that starts nothing."""
    outputs = {"outcome": str(outcome), "exit-code": str(int(code))}
    if what == "plan":
        outputs["shards"] = "[]"
    return outputs


def _check_outputs(ending: Ending, masks: Masks, runner: Runner) -> Ending:
    """Return the ending, after a warning for each output that the runner is going to drop.

    Without an essential output the step fails, and the other outputs and the summary say so too.
    """
    lost = []
    for name, value in ending.outputs.items():
        mask = masks.hidden_in(value)
        if mask is None:
            continue
        many = " Write the secret on one line." if mask.what == "a line" else ""
        message = (
            f"{mask.what.capitalize()} of {mask.setting} is so short that it occurs in the output `{name}`. GitHub "
            f"masks it, and drops every job output that holds a masked value.{many}"
        )
        if name in ending.essential:
            message += " Without it no shard can start."
            lost.append(message)
            runner.error(_EMPTIED, message)
        else:
            # Also for `churned`, which a user's own workflow may hand on as it is. The waves of maia.yml go on all
            # the same: only job outputs are dropped, and there the job's is not this "true" but "+" (see needs.py).
            runner.warning(_EMPTIED, message)
    if not lost or ending.code:
        return ending
    text = summary.failed("plan", _EMPTIED, "\n".join(lost))
    outputs = {**ending.outputs, **_outputs("plan", ExitCode.CONFIG, Outcome.CONFIG)}
    return Ending(ExitCode.CONFIG, outputs, text)
