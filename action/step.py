"""What every command works with, how it ends, and how the end of a container is judged."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from action import settings
from action.advice import in_a_workflow
from action.cancel import Cancel
from action.container import Containers, Ended
from action.image import ROOT, Images
from action.inputs import Inputs
from action.result import figures
from action.runner import Runner
from action.text import one_line
from action.verdicts import NOT_EXECUTABLE, Verdict, verdict_of
from maia.runtime.exitcodes import Outcome

__all__ = ["Ending", "Judgement", "Step", "judge", "numbers", "warn_of_damage"]


@dataclass(frozen=True)
class Ending:
    """How the step ends.

    Attributes:
        code: the step's exit code.
        outputs: by name, all but empty ones.
        summary: Markdown.
        essential: outputs without which the workflow cannot go on.
    """

    code: int
    outputs: Mapping[str, str]
    summary: str
    essential: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Step:
    """What a command works with."""

    inputs: Inputs
    environ: Mapping[str, str]
    runner: Runner
    cancel: Cancel
    root: Path = ROOT

    def containers(self) -> tuple[Containers, float]:
        """Get the image; return containers of it, and the seconds that it took.

        Raises SettingError, EngineError, Cancelled.
        """
        began = time.monotonic()
        image = Images(self.inputs, self.environ, self.runner, self.cancel, self.root).ready()
        seconds = time.monotonic() - began
        return Containers(image, self.inputs.network, self.environ, self.runner, self.cancel), seconds

    def settings(self) -> dict[str, str]:
        """Return the settings for a container of this run and wave."""
        return settings.given(self.environ, self.inputs.settings) | {
            "MAIA_RUN_ID": self.inputs.run,
            "MAIA_WAVE": str(self.inputs.wave),
        }


@dataclass(frozen=True)
class Judgement:
    """What the step makes of a container's end.

    Attributes:
        outcome: the result file's, or the verdict's where there is none.
        code: the step's exit code.
        detail: the error of the result file, or the last line of the log; foreign text.
    """

    verdict: Verdict
    outcome: Outcome
    code: int
    detail: str = ""
    stats: Mapping[str, object] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        return self.code == 0

    @property
    def reason(self) -> str:
        """Why it did no more, in Maia's own words; one line."""
        return in_a_workflow(one_line(str(self.stats.get("reason") or "")))

    def annotate(self, runner: Runner, what: str) -> None:
        """Annotate an end that needs it; `what` names what ran."""
        if self.outcome is Outcome.QUOTA_EXHAUSTED:
            # the usual end of a day's work: never red
            runner.notice(f"Maia: {self.outcome}", f"{what}: {self.reason or self.outcome}")
        if self.verdict.level is None:
            return
        detail = f" {self.detail}" if self.detail else ""
        message = f"{what}: {self.verdict.when}.{detail}\nWhat to do: {self.verdict.advice}."
        annotate = runner.error if not self.passes else getattr(runner, self.verdict.level)
        annotate(self.verdict.title, message)


def warn_of_damage(ended: Ended, runner: Runner) -> None:
    """Warn where there should be a result file and is none that can be used."""
    if ended.damaged is not None:
        runner.warning("Maia: result file", f"Not used: {ended.damaged}. The verdict is the exit code's.")


def judge(ended: Ended, *, fail_on_churn: bool = False, janitor: bool = False) -> Judgement:
    """Judge by the exit code alone; a result file adds words and figures."""
    verdict = verdict_of(ended.code, out_of_memory=ended.out_of_memory)
    found = ended.result
    if found is None and not verdict.passes and "exec format error" in ended.last_line.lower():
        # the code depends on the engine
        verdict = replace(verdict_of(NOT_EXECUTABLE), code=ended.code)
    fails = not verdict.passes or (verdict.outcome is Outcome.CHURN and fail_on_churn)
    detail = (found.error or "") if found is not None else "" if verdict.passes else ended.last_line
    return Judgement(
        verdict=verdict,
        outcome=found.outcome if found is not None else verdict.outcome,
        code=ended.code if fails else 0,
        detail=in_a_workflow(detail, janitor=janitor),
        stats=found.stats if found is not None else {},
    )


def numbers(stats: object) -> str:
    """Return the output `stats`: JSON on one line, names and numbers only."""
    return json.dumps(figures(stats), separators=(",", ":"))
