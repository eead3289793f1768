"""What happens to one agent: nothing, or a signal at a step or after a while; drawn from the seed, place by place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from harness.chaos.steps import STEPS, Step

__all__ = ["KillPlan", "Kind", "draw"]


class Kind(StrEnum):
    """What it gets."""

    LIVE = "live"
    KILL = "kill"
    TERM = "term"
    FREEZE = "freeze"


@dataclass(frozen=True)
class KillPlan:
    """What happens to one process.

    Attributes:
        step, nth: at which step, and at which time that it comes by; None: at none.
        seconds: after its start, or where its step has not come by so long after it reached the database.
        frozen: seconds that a freeze lasts.
    """

    kind: Kind
    step: Step | None = None
    nth: int = 1
    seconds: float = 0.0
    frozen: float = 0.0


_WEIGHTS = {Kind.KILL: 66, Kind.TERM: 10, Kind.FREEZE: 9, Kind.LIVE: 15}
_AT_A_STEP = 0.85
_WAIT = (0.1, 5.0)  # seconds: from the first imports to the end of a short run
_WAIT_FOR_STEP = (2.0, 4.0)
_FROZEN = (3.0, 8.0)  # seconds: shorter and longer than a lease


def draw(seed: int, place: str, run: int) -> KillPlan:
    """Return the kill plan of a place's n-th process.

    Args:
        seed: the run's.
        place: such as ``hunter 0/3``.
        run: the process's number in its place.
    """
    random = Random(f"{seed} {place} {run}")
    kind = random.choices([*_WEIGHTS], [*_WEIGHTS.values()])[0]
    if kind is Kind.LIVE:
        return KillPlan(kind)
    frozen = random.uniform(*_FROZEN)
    if random.random() >= _AT_A_STEP:
        return KillPlan(kind, seconds=random.uniform(*_WAIT), frozen=frozen)
    step = random.choice(STEPS[place.split(maxsplit=1)[0]])
    nth = random.choice((1, 1, 1, 2))
    return KillPlan(kind, step, nth, random.uniform(*_WAIT_FOR_STEP), frozen)
