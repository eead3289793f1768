"""The report of a run: tables for people, JSON for programs, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from harness.chaos.fault_schedule import API_FAULTS, KINDS
from harness.chaos.record import Checked
from harness.driver.screen import Screen, table

if TYPE_CHECKING:
    from harness.chaos.fault_schedule import FaultSchedule
    from harness.chaos.fleet import KilledFleet
    from harness.chaos.options import ChaosOptions

VIOLATED, TOO_FEW = 1, 3
_SHOWN = 8  # violations of one check


@dataclass(frozen=True)
class Report:
    """The result of a run.

    Attributes:
        enough: whether as much has happened as was asked for.
        kills: by step.
        faults: by kind, those of the API as ``api KIND``.
        codes: exit code → processes.
    """

    seed: int
    mutant: str | None
    seconds: float
    enough: bool
    processes: int
    kills: Mapping[str, int]
    faults: Mapping[str, int]
    codes: Mapping[int, int]
    checks: Sequence[Checked]

    @classmethod
    def of(
        cls, options: ChaosOptions, fleet: KilledFleet, schedule: FaultSchedule, struck: Mapping[str, int],
        checks: Sequence[Checked], *, seconds: float, enough: bool,
    ) -> Report:  # fmt: skip
        """Add up what each part has counted."""
        faults = {kind: schedule.struck[kind] for kind in KINDS} | dict(sorted(fleet.struck.items()))
        faults |= {f"api {kind}": struck.get(kind, 0) for kind in API_FAULTS}
        kills, codes = dict(sorted(fleet.kills.items())), dict(sorted(fleet.codes.items()))
        return cls(options.seed, options.mutant, seconds, enough, fleet.codes.total(), kills, faults, codes, checks)

    @property
    def violations(self) -> int:
        return sum(len(check.violations) for check in self.checks)

    @property
    def code(self) -> int:
        """The exit code. With a mutant, a run without a violation has failed."""
        if self.mutant is not None:
            return 0 if self.violations else VIOLATED
        if self.violations:
            return VIOLATED
        return 0 if self.enough else TOO_FEW

    def print(self, screen: Screen) -> None:
        """Print it for people."""
        codes = {f"ended with {code}": number for code, number in self.codes.items()}
        happened = [("processes", sum(self.codes.values())), ("killed (SIGKILL)", sum(self.kills.values()))]
        groups = [happened, *(list(counts.items()) for counts in (self.kills, self.faults, codes))]
        rows = [row for group in groups for row in (*((name, f"{number:,}") for name, number in group), None)]
        screen.show(table("what happened", "times", rows=rows, title="Chaos"))
        checks = [(check.name, f"{check.looked_at:,}", f"{len(check.violations):,}") for check in self.checks]
        screen.show(table("what was checked", "looked at", "violations", rows=checks, title="Checks"))
        for check in self.checks:
            for violation in check.violations[:_SHOWN]:
                screen.say(f"✗ {check.name}: {violation}", "red")
            if len(check.violations) > _SHOWN:
                screen.say(f"  and {len(check.violations) - _SHOWN:,} more", "red")
        screen.say(self._verdict(), "bold")

    def _verdict(self) -> str:
        again = f"seed {self.seed}, {self.seconds:.0f} s"
        if self.mutant is not None:
            return f"the mutant '{self.mutant}' was {'' if self.violations else 'NOT '}found ({again})"
        if self.violations:
            return f"{self.violations:,} violations ({again}); --seed {self.seed} plans the same faults"
        if not self.enough:
            return f"no violation, but fewer faults than were asked for ({again}); give it more --minutes"
        return f"no violation ({again})"

    def as_json(self) -> str:
        """Return it for programs."""
        return json.dumps(asdict(self) | {"violations": self.violations, "code": self.code}, indent=2) + "\n"
