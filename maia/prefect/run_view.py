"""How a Prefect server shows a run: its name, its tags, and the message of its last state."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from atlas.config import settings
from atlas.figures import counted
from maia.runtime.exitcodes import Outcome
from maia.runtime.result_file import one_line

_TITLES: Final = {outcome: str(outcome).replace("-", " ").capitalize() for outcome in Outcome}


@dataclass(frozen=True, slots=True)
class RunView:
    """The name and tags of a flow run; `run_id`, `wave` and `url` are those of the workflow run that it is part of."""

    agent: str
    shard: str
    run_id: str | None = None
    wave: int | None = None
    cycle: int = 1
    url: str | None = None

    @classmethod
    def of(cls, agent: str, shard: object, *, cycle: int = 1) -> "RunView":
        """Return the view of a run of this process, with the settings MAIA_RUN_ID, MAIA_WAVE and MAIA_RUN_URL."""
        return cls(agent, str(shard), settings.maia_run_id, settings.maia_wave, cycle, settings.maia_run_url)

    @property
    def name(self) -> str:
        """Such as ``hunter 2/4 of run 1234.1``; from the second cycle of a process on with its number."""
        name = f"{self.agent} {self.shard}" + (f" of run {self.run_id}" if self.run_id else "")
        return name if self.cycle == 1 else f"{name}, cycle {self.cycle}"

    @property
    def tags(self) -> list[str]:
        """Such as ``agent:hunter``, ``shard:2/4``, ``wave:1``, ``run:1234.1``."""
        parts = {"agent": self.agent, "shard": self.shard, "wave": self.wave, "run": self.run_id}
        return [f"{name}:{value}" for name, value in parts.items() if value is not None]


current_view: ContextVar[RunView | None] = ContextVar("maia_run_view", default=None)
"""The view of the next flow that is called; None: Prefect shows the flow's name."""


def state_message(outcome: Outcome, reason: str | None, stats: Mapping[str, Any]) -> str:
    """Return one line: how the run ended, why (the error, or why there was no more to do), and what it stored."""
    why = f"{_TITLES[outcome]}: {reason.rstrip('. ')}" if reason else _TITLES[outcome]
    done = work_done(stats)
    return one_line(f"{why}; {done}" if done else why)


def work_done(stats: Mapping[str, Any]) -> str:
    """Return what a run stored and released by its stats; empty where they have no counts."""

    def number(*names: str) -> int:
        return sum(int(stats.get(name, 0)) for name in names)

    if stats.get("dry_run"):
        return ""  # the reason says what it would do
    if "videos_new" in stats:
        # a video that is enriched comes with its first snapshot
        new, snapshots = number("videos_new"), number("videos_enriched")
        done = [f"{counted(new, 'video')} and {counted(snapshots, 'snapshot')} stored"]
    elif "updated" in stats:
        done = [f"{counted(number('updated'), 'snapshot')} stored"]
    else:
        done = [f"{name} {value:,}" for name, value in stats.items() if type(value) is int and value]
    if "released" in stats and {"videos_new", "updated"} & stats.keys():
        done.append(f"{counted(number('released'), 'claim')} released")
    return ", ".join(done)
