"""``make chaos``, or ``python -m harness.chaos``."""

from __future__ import annotations

import logging
import sys

from harness.chaos.mutants import MUTANTS
from harness.chaos.options import parse
from harness.chaos.run import run
from harness.driver.screen import Screen, table


def main() -> int:
    """Run the harness. Return its exit code."""
    options, screen = parse(), Screen()
    if options.mutant == "list":
        rows = ((name, mutant.what, mutant.found_by) for name, mutant in MUTANTS.items())
        screen.show(table("mutant", "what is taken out", "found by", rows=rows))
        return 0
    if options.mutant is not None and options.mutant not in MUTANTS:
        screen.say(f"chaos: there is no mutant '{options.mutant}'; --mutant list shows them")
        return 2
    logging.disable(logging.WARNING)
    return run(options, screen)


if __name__ == "__main__":
    sys.exit(main())
