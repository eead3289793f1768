"""The deliberate faults of the harness can be put in, and every check has one."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("harness.chaos", reason="the harness is part of the checkout, not of the wheel")

from harness.chaos.checks import CHECKS
from harness.chaos.extremes import EXTREMES
from harness.chaos.mutants import MUTANTS
from harness.chaos.patches import in_statement
from harness.chaos.record import Record

PUT_IN = """
from atlas.db import queries as statements
from harness.chaos.mutants import MUTANTS
read = statements._text
for mutant in MUTANTS.values():
    statements._text = read
    mutant.put_in()
"""


def test_every_mutant_can_be_put_in() -> None:
    subprocess.run([sys.executable, "-c", PUT_IN], check=True)


def test_every_check_has_a_mutant_and_no_mutant_waits_for_a_check_that_is_not_there() -> None:
    names = [check(Record()).name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert {mutant.found_by for mutant in MUTANTS.values()} == {*names, *EXTREMES}


def test_a_mutant_that_maia_has_grown_out_of_says_so() -> None:
    with pytest.raises(LookupError, match=r"advance_topic\.sql has no 'no such text'"):
        in_statement("hunter/advance_topic", ("no such text", ""))()
