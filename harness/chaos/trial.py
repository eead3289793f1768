"""Each mutant in a short run of its own: ``make chaos-mutants``, or ``python -m harness.chaos.trial``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.chaos.mutants import MUTANTS
from harness.driver.screen import Screen, table

_TRIES = 3  # a fault that has to meet an accident may miss it


def main(arguments: list[str] | None = None) -> int:
    """Run them one after another. Return 1 if one was not found by the check that has to find it."""
    parser = argparse.ArgumentParser(prog="python -m harness.chaos.trial", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="MUTANT", help="these alone (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of the first try (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=40, help="of each run (default: %(default)s)")
    parser.add_argument("--faults", type=int, default=3, help="of each run (default: %(default)s)")
    options = parser.parse_args(arguments)
    screen = Screen()
    unknown = sorted(set(options.names) - set(MUTANTS))
    if unknown:
        parser.error(f"there is no mutant {', '.join(unknown)}; there are {', '.join(MUTANTS)}")
    names = options.names or list(MUTANTS)
    found = {name: _found(name, options, screen) for name in names}
    missed = [name for name in names if MUTANTS[name].found_by not in found[name]]
    rows = [
        (f"✗ {name}" if name in missed else name, MUTANTS[name].found_by, ", ".join(found[name]) or "nothing")
        for name in names
    ]
    screen.show(table("mutant", "has to be found by", "was found by", rows=rows, title="Mutants"))
    return 1 if missed else 0


def _found(name: str, options: argparse.Namespace, screen: Screen) -> list[str]:
    """Return the checks that found a mutant, in the first of a few runs in which the right one did."""
    found: list[str] = []
    for number in range(_TRIES):
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            command = [
                sys.executable, "-m", "harness.chaos", "--mutant", name, "--seed", str(options.seed + number),
                "--kills", str(options.kills), "--faults", str(options.faults), "--minutes", "3",
                "--folder", f"{folder}/run", "--json", str(report),
            ]  # fmt: skip
            screen.say(f"{name}, seed {options.seed + number} ...")
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            if not report.exists():
                screen.say(f"{ran.stdout[-2000:]} {ran.stderr[-2000:]}", "red")
                return []
            checks = json.loads(report.read_text(encoding="utf-8"))["checks"]
        found = [check["name"] for check in checks if check["violations"]]
        if MUTANTS[name].found_by in found:
            break
    return found


if __name__ == "__main__":
    sys.exit(main())
