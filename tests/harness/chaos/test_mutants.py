"""The deliberate faults can be put in, every check has one, and docs/chaos.md says what the harness does."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("harness.chaos", reason="the harness is part of the checkout, not of the wheel")

from harness.chaos.checks import CHECKS
from harness.chaos.extremes import EXTREMES
from harness.chaos.fault_schedule import KINDS
from harness.chaos.kill_plan import KillKind
from harness.chaos.mutants import MUTANTS, in_statement
from harness.chaos.options import parse
from harness.chaos.record import Record

from ...support.documents import document, table

NAMES = [*(check(Record()).name for check in CHECKS), *EXTREMES]
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


def test_every_check_has_a_name_of_its_own_and_a_mutant() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert {mutant.found_by for mutant in MUTANTS.values()} == set(NAMES)


def test_a_mutant_whose_text_maia_has_no_more_fails() -> None:
    with pytest.raises(LookupError, match=r"advance_topic\.sql has no 'no such text'"):
        in_statement("hunter/advance_topic", ("no such text", ""))()


def test_the_document_explains_every_check_mutant_and_fault_and_the_default_run() -> None:
    text = document("docs/chaos.md")
    assert [check for check, _ in table(text, "check", "what it proves")][1:-1] == NAMES
    mutants = [(name, mutant.what, mutant.found_by) for name, mutant in MUTANTS.items()]
    assert list(table(text, "mutant", "what is taken out", "found by")) == mutants
    kinds = sorted([*(set(KillKind) - {KillKind.LIVE}), *KINDS, "api"])
    assert sorted(kind for kind, _ in table(text, "fault", "how")) == kinds
    options = parse(["--seed", "1"])
    assert (options.kills, options.faults, options.hunters, options.trackers) == (500, 50, 4, 5)
    assert "500 kills, 50 of each other fault" in text
    assert "Four Hunters, five Trackers and a Janitor" in text
