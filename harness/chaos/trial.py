"""Each mutant in a short run of its own: ``make chaos-mutants``, or ``python -m harness.chaos.trial``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness.chaos.mutants import MUTANTS

__all__ = ["main"]

_TRIES = 3  # a fault that has to meet an accident may miss it


def main(arguments: list[str] | None = None) -> int:
    """Runs them one after another. Returns 1 where one was not found by the check that has to find it."""
    parser = argparse.ArgumentParser(prog="python -m harness.chaos.trial", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="MUTANT", help="these alone (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of the first try (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=40, help="of each run (default: %(default)s)")
    parser.add_argument("--faults", type=int, default=3, help="of each run (default: %(default)s)")
    options = parser.parse_args(arguments)
    console = Console()
    unknown = sorted(set(options.names) - set(MUTANTS))
    if unknown:
        parser.error(f"there is no mutant {', '.join(unknown)}; there are {', '.join(MUTANTS)}")
    table = Table("mutant", "has to be found by", "was found by", title="Mutants", title_justify="left")
    missed = 0
    for name in options.names or MUTANTS:
        found = _found(name, options, console)
        expected = MUTANTS[name].found_by
        missed += expected not in found
        table.add_row(name, expected, ", ".join(found) or "nothing", style=None if expected in found else "red")
    console.print(table)
    return 1 if missed else 0


def _found(name: str, options: argparse.Namespace, console: Console) -> list[str]:
    """The checks that found a mutant, in the first of a few runs in which the one that has to did."""
    found: list[str] = []
    for number in range(_TRIES):
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            command = [
                sys.executable, "-m", "harness.chaos", "--mutant", name, "--seed", str(options.seed + number),
                "--kills", str(options.kills), "--faults", str(options.faults), "--minutes", "3",
                "--folder", f"{folder}/run", "--json", str(report),
            ]  # fmt: skip
            console.print(f"{name}, seed {options.seed + number} ...", markup=False)
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            if not report.exists():
                console.print(ran.stdout[-2000:], ran.stderr[-2000:], style="red", markup=False)
                return []
            checks = json.loads(report.read_text(encoding="utf-8"))["checks"]
        found = [check["name"] for check in checks if check["violations"]]
        if MUTANTS[name].found_by in found:
            break
    return found


if __name__ == "__main__":
    sys.exit(main())
