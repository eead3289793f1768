"""What happens to one process: nothing, or a signal at a step or after a while; drawn from the seed for each place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from harness.chaos.steps import STEPS, Step


class KillKind(StrEnum):
    LIVE = "live"
    KILL = "kill"
    TERM = "term"
    FREEZE = "freeze"


@dataclass(frozen=True)
class KillPlan:
    """What happens to one process.

    Attributes:
        step, nth: the step, and its number in the process; None: at none.
        seconds: after its start; with a step: after it reached the database, if the step has not come by then.
        frozen: seconds that a freeze lasts.
    """

    kind: KillKind
    step: Step | None = None
    nth: int = 1
    seconds: float = 0.0
    frozen: float = 0.0


_WEIGHTS = {KillKind.KILL: 66, KillKind.TERM: 10, KillKind.FREEZE: 9, KillKind.LIVE: 15}
_AT_A_STEP = 0.85
_WAIT = (0.1, 5.0)  # seconds: from the first imports to the end of a short run
_WAIT_FOR_STEP = (2.0, 4.0)
_FROZEN = (3.0, 8.0)  # seconds: shorter and longer than a lease


def draw(seed: int, place: str, run: int) -> KillPlan:
    """Return the kill plan of a place's n-th process."""
    random = Random(f"{seed} {place} {run}")
    kind = random.choices([*_WEIGHTS], [*_WEIGHTS.values()])[0]
    if kind is KillKind.LIVE:
        return KillPlan(kind)
    frozen = random.uniform(*_FROZEN)
    if random.random() >= _AT_A_STEP:
        return KillPlan(kind, seconds=random.uniform(*_WAIT), frozen=frozen)
    step = random.choice(STEPS[place.split(maxsplit=1)[0]])
    nth = random.choice((1, 1, 1, 2))
    return KillPlan(kind, step, nth, random.uniform(*_WAIT_FOR_STEP), frozen)
