"""docs/chaos.md says what the fault harness does."""

from __future__ import annotations

import pytest

pytest.importorskip("harness.chaos", reason="the fault harness is part of the checkout, not of the wheel")

from harness.chaos.checks import CHECKS
from harness.chaos.extremes import EXTREMES
from harness.chaos.fault_schedule import KINDS
from harness.chaos.kill_plan import Kind
from harness.chaos.mutants import MUTANTS
from harness.chaos.options import parse
from harness.chaos.record import Record

from ..support.documents import document, table


def test_every_check_is_explained() -> None:
    named = [check for check, _ in table(document("docs/chaos.md"), "check", "what it proves")]
    assert named[1:-1] == [*(check(Record()).name for check in CHECKS), *EXTREMES]


def test_every_mutant_is_named_with_the_check_that_finds_it() -> None:
    rows = list(table(document("docs/chaos.md"), "mutant", "what is taken out", "found by"))
    assert rows == [(name, mutant.what, mutant.found_by) for name, mutant in MUTANTS.items()]
    assert {mutant.found_by for mutant in MUTANTS.values()} <= {
        *(check(Record()).name for check in CHECKS),
        *EXTREMES,
    }


def test_every_kind_of_fault_is_explained() -> None:
    named = [kind for kind, _ in table(document("docs/chaos.md"), "fault", "how")]
    assert sorted(named) == sorted([*(set(Kind) - {Kind.LIVE}), *KINDS, "api"])


def test_the_commands_are_those_of_the_harness() -> None:
    text = document("docs/chaos.md")
    assert "500 kills, 50 of each other fault" in text
    options = parse(["--seed", "1"])
    assert (options.kills, options.faults, options.hunters, options.trackers) == (500, 50, 4, 5)
    assert "Four Hunters, five Trackers and a Janitor" in text
