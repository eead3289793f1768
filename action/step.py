"""The context of a command, its ending, and the judgement of how a container ended."""

from __future__ import annotations

import json
import re
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

_RUN_URL = re.compile(r"https?://[\w.:-]{1,200}/[\w.-]{1,100}/[\w.-]{1,100}/actions/runs/\d{1,20}", re.ASCII)


@dataclass(frozen=True)
class Ending:
    """How the step ends; `summary` is in Markdown."""

    code: int
    outputs: Mapping[str, str]
    summary: str
    essential: frozenset[str] = frozenset()  # outputs without which the workflow cannot go on


@dataclass(frozen=True)
class Step:
    """The context of a command."""

    inputs: Inputs
    environ: Mapping[str, str]
    runner: Runner
    cancel: Cancel
    root: Path = ROOT

    def containers(self) -> tuple[Containers, float]:
        """Get the image; return containers of it, and the seconds that it took. Raises ActionError, Cancelled."""
        began = time.monotonic()
        image = Images(self.inputs, self.environ, self.runner, self.cancel, self.root).ready()
        seconds = time.monotonic() - began
        return Containers(image, self.inputs.network, self.environ, self.runner, self.cancel), seconds

    def settings(self) -> dict[str, str]:
        """Return the settings for a container of this run and wave."""
        own = {"MAIA_RUN_ID": self.inputs.run, "MAIA_WAVE": str(self.inputs.wave)}
        if url := run_url(self.environ):
            own["MAIA_RUN_URL"] = url
        return settings.given(self.environ, self.inputs.settings) | own


def run_url(environ: Mapping[str, str]) -> str | None:
    """Return the address of the workflow run's page; None outside of Actions and under act, which has none."""
    parts = (environ.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"))
    found = _RUN_URL.fullmatch("{}/{}/actions/runs/{}".format(*parts))
    return found[0] if found and environ.get("ACT") != "true" else None


@dataclass(frozen=True)
class Judgement:
    """The judgement of how a container ended."""

    verdict: Verdict
    outcome: Outcome  # of the result file, or of the verdict if there is none
    code: int  # of the step
    detail: str = ""  # the error of the result file, or the last line of the log; foreign text
    stats: Mapping[str, object] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        return self.code == 0

    @property
    def reason(self) -> str:
        """Why it did not do more, as Maia reports it; one line."""
        return in_a_workflow(one_line(str(self.stats.get("reason") or "")))

    def annotate(self, runner: Runner, what: str) -> None:
        """Write an annotation unless all is well; `what` names the command."""
        if self.outcome is Outcome.QUOTA_EXHAUSTED:
            # a normal end of a day's work: never an error
            runner.notice(f"Maia: {self.outcome}", f"{what}: {self.reason or self.outcome}")
        if self.verdict.level is None:
            return
        detail = f" {self.detail}" if self.detail else ""
        message = f"{what}: {self.verdict.when}.{detail}\nWhat to do: {self.verdict.advice}."
        annotate = runner.error if not self.passes else getattr(runner, self.verdict.level)
        annotate(self.verdict.title, message)


def warn_of_damage(ended: Ended, runner: Runner) -> None:
    """Warn if the result file is missing or damaged."""
    if ended.damaged is not None:
        runner.warning("Maia: result file", f"Not used: {ended.damaged}. The verdict comes from the exit code alone.")


def judge(ended: Ended, *, fail_on_churn: bool = False, janitor: bool = False) -> Judgement:
    """Judge by the exit code alone; a result file adds the outcome, the error and the stats."""
    verdict = verdict_of(ended.code, out_of_memory=ended.out_of_memory)
    found = ended.result
    if found is None and not verdict.passes and "exec format error" in ended.last_line.lower():
        # its exit code depends on the engine
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
    """Return the output `stats`: JSON on one line, with names and numbers only."""
    return json.dumps(figures(stats), separators=(",", ":"))
