"""``make chaos``, or ``python -m harness.chaos``."""

from __future__ import annotations

import logging
import sys

from rich.console import Console
from rich.table import Table

from harness.chaos.mutants import MUTANTS
from harness.chaos.options import parse
from harness.chaos.run import run


def main() -> int:
    """Runs the harness; its exit code."""
    options = parse()
    console = Console()
    if options.mutant == "list":
        table = Table("mutant", "what is taken out", "found by")
        for name, mutant in MUTANTS.items():
            table.add_row(name, mutant.what, mutant.found_by)
        console.print(table)
        return 0
    if options.mutant is not None and options.mutant not in MUTANTS:
        console.print(f"chaos: there is no mutant '{options.mutant}'; --mutant list shows them", markup=False)
        return 2
    logging.disable(logging.WARNING)
    return run(options, console)


if __name__ == "__main__":
    sys.exit(main())
