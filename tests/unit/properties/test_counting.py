"""The count at the end of a run is that of the cases that really ran, over all workers, and disturbs nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOOKS = Path(__file__).resolve().parents[2] / "support" / "counted_cases.py"

PROPERTIES = """
import asyncio

import pytest
from hypothesis import assume, given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from cases import one_more, thorough


@thorough(40)
@given(number=st.integers())
def test_counts(number):
    with open("ran", "a") as file:
        file.write(".")


@pytest.mark.parametrize("way", ["one", "two"])
@thorough(25)
@given(number=st.integers())
def test_both_ways(way, number):
    with open("ran", "a") as file:
        file.write(".")


@thorough(30)
@given(number=st.integers(0, 10**9))
async def test_waits(number):
    await asyncio.sleep(0)
    with open("ran", "a") as file:
        file.write(".")


class TestOfAClass:
    @thorough(15)
    @given(number=st.integers(0, 10**9))
    def test_throws_away(self, number):
        assume(number % 2)
        with open("ran", "a") as file:
            file.write(".")


class Machine(RuleBasedStateMachine):
    @rule()
    def turn(self):
        pass

    def teardown(self):
        one_more()
        with open("ran", "a") as file:
            file.write(".")


def test_machine():
    run_state_machine_as_test(Machine, settings=thorough(10))


def test_without_cases():
    pass
"""

FAILING = """
from hypothesis import given, strategies as st

from cases import thorough


@thorough(50)
@given(number=st.integers())
def test_fails(number):
    assert number < 100
    with open("ran", "a") as file:
        file.write(".")
"""


def run(folder: Path, tests: str, *options: str) -> tuple[int, str, int]:
    """The exit code, what pytest printed, and how many cases ran as they themselves wrote it down."""
    (folder / "cases.py").write_text(HOOKS.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "conftest.py").write_text("from cases import pytest_runtest_call, pytest_terminal_summary\n")
    (folder / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\npythonpath = .\n"
        "filterwarnings = error\n"
    )
    (folder / "test_some.py").write_text(tests)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=folder,
        # a run inside a run: this one's worker is nothing to it
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
        capture_output=True,
        text=True,
        check=False,
    )
    ran = folder / "ran"
    return done.returncode, done.stdout + done.stderr, len(ran.read_text()) if ran.exists() else 0


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_count_is_that_of_the_cases_that_ran(tmp_path: Path, workers: str) -> None:
    code, out, ran = run(tmp_path, PROPERTIES, "-n", workers)
    assert code == 0, out
    assert ran >= 40 + 2 * 25 + 30 + 15 + 10
    assert f"{ran:,} generated cases in 5 properties" in out
    assert "7 passed" in out


def test_only_cases_that_came_to_their_end_count_and_the_failure_is_reported_as_ever(tmp_path: Path) -> None:
    code, out, ran = run(tmp_path, FAILING)
    assert code == 1
    assert "number=100" in out
    assert "@reproduce_failure" in out
    assert f"{ran:,} generated cases in 1 properties" in out


def test_nothing_is_said_where_no_property_ran(tmp_path: Path) -> None:
    code, out, _ = run(tmp_path, "def test_plain():\n    pass\n")
    assert code == 0, out
    assert "generated cases" not in out
