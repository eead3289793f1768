"""Where the last run's schedule clock stopped, so that the next one goes on from there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from atlas.clock import Clock
from atlas.errors import ConfigError

_AFTERMATH = timedelta(seconds=20)  # shards of a demo that was killed go on for no longer than this


@dataclass(frozen=True)
class State:
    """What a run leaves behind for the next.

    Attributes:
        clock: as in ATLAS_CLOCK.
        ends: until when the run was to last at most (real time, ISO 8601).
        ended: where its schedule clock stopped (ISO 8601); None: it runs, or was killed.
    """

    runs: int
    clock: str
    ends: str
    ended: str | None = None

    @classmethod
    def load(cls, path: Path) -> State | None:
        """Read the file. Return None if there is none that can be read."""
        try:
            state = cls(**json.loads(path.read_text(encoding="utf-8")))
            state.stopped(datetime.now(UTC))
        except (OSError, ValueError, TypeError, ConfigError):
            return None
        return state

    def save(self, path: Path) -> None:
        """Write the file in one step."""
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        new.replace(path)

    def stopped(self, now: datetime) -> datetime:
        """Return a schedule time that nothing of that run lies behind, at the real time ``now``."""
        if self.ended is not None:
            return datetime.fromisoformat(self.ended)
        return Clock.parse(self.clock).at(min(now, datetime.fromisoformat(self.ends) + _AFTERMATH))


def start_clock(state: State | None, begin: datetime, speed: float, now: datetime) -> Clock:
    """Return a clock that begins at the real time ``now``, where the one of the run before stopped, or at ``begin``."""
    return Clock(speed, now, state.stopped(now) if state else begin)
