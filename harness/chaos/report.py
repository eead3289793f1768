"""What came of a run: a table for people, JSON for others, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from harness.chaos.checks import Checked
from harness.chaos.fault_schedule import API_FAULTS, KINDS

if TYPE_CHECKING:
    from harness.chaos.fault_schedule import FaultSchedule
    from harness.chaos.fleet import Fleet
    from harness.chaos.options import Options

__all__ = ["Report"]

VIOLATED, TOO_FEW = 1, 3
_SHOWN = 8  # violations of one check


@dataclass(frozen=True)
class Report:
    """A run's outcome.

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
        cls, options: Options, fleet: Fleet, schedule: FaultSchedule, struck: Mapping[str, int],
        checks: Sequence[Checked], *, seconds: float, enough: bool,
    ) -> Report:  # fmt: skip
        """Adds up what each part has counted."""
        faults = {kind: schedule.struck[kind] for kind in KINDS} | dict(sorted(fleet.struck.items()))
        faults |= {f"api {kind}": struck.get(kind, 0) for kind in API_FAULTS}
        return cls(
            options.seed, options.mutant, seconds, enough, fleet.processes, dict(sorted(fleet.kills.items())), faults,
            dict(sorted(fleet.codes.items())), checks,
        )  # fmt: skip

    @property
    def violations(self) -> int:
        """How many, over all checks."""
        return sum(len(check.violations) for check in self.checks)

    @property
    def code(self) -> int:
        """The exit code: with a mutant, finding something is what was asked for."""
        if self.mutant is not None:
            return 0 if self.violations else VIOLATED
        if self.violations:
            return VIOLATED
        return 0 if self.enough else TOO_FEW

    def print(self, console: Console) -> None:
        """For people."""
        happened = Table("what happened", "times", title="Chaos", title_justify="left")
        happened.add_row("processes", f"{self.processes:,}")
        happened.add_row("killed (SIGKILL)", f"{sum(self.kills.values()):,}", end_section=True)
        for rows in (self.kills, self.faults, {f"ended with {code}": number for code, number in self.codes.items()}):
            for name, number in rows.items():
                happened.add_row(name, f"{number:,}")
            happened.add_section()
        console.print(happened)
        looked = Table("what was checked", "looked at", "violations", title="Checks", title_justify="left")
        for check in self.checks:
            looked.add_row(check.name, f"{check.looked_at:,}", f"{len(check.violations):,}")
        console.print(looked)
        for check in self.checks:
            for violation in check.violations[:_SHOWN]:
                console.print(f"✗ {check.name}: {violation}", style="red", markup=False, soft_wrap=True)
            if len(check.violations) > _SHOWN:
                console.print(f"  and {len(check.violations) - _SHOWN:,} more", style="red")
        console.print(self._verdict(), style="bold", markup=False, soft_wrap=True)

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
        """For others."""
        report: dict[str, Any] = asdict(self)
        report["checks"] = [asdict(check) for check in self.checks]
        return json.dumps(report | {"violations": self.violations, "code": self.code}, indent=2) + "\n"
