"""What the harness checks of how processes end, and of the count of calls."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("harness.chaos", reason="the harness is part of the checkout, not of the wheel")

from harness.chaos.checks.counts import calls_counted
from harness.chaos.checks.endings import code_fits, no_traceback, result_fits
from harness.chaos.record import ResultFile

from ...support.fault_record import HUNTER, OTHER, Story

RATE_LIMIT: dict[str, Any] = {"status": 429, "reason": "rateLimitExceeded", "fault": "rate-limit"}


def ended(code: int, killed: str | None = None, *, befell: str | None = None, **call: Any) -> Story:
    """One process, with one call where there is something to say of it."""
    story = Story()
    if call:
        story.call(HUNTER, "search", **call)
    if befell:
        story.fault(befell)
    story.end(HUNTER, code, killed=killed)
    return story


@pytest.mark.parametrize(
    "story",
    [
        ended(0),
        ended(0, "SIGTERM"),  # it came too late
        ended(1, status=503, reason="backendError"),
        ended(69, befell="restart"),
        ended(75, **RATE_LIMIT),
        ended(143, "SIGTERM", ids=["a"]),
        ended(-9, "SIGKILL", ids=["a"]),
        ended(-15, "SIGTERM"),  # before Python could take it
    ],
    ids=lambda story: str(story.processes[0].code),
)
def test_a_code_that_its_fate_explains_is_lawful(story: Story) -> None:
    assert code_fits(story.record()).looked_at == 1
    assert not code_fits(story.record()).violations
    assert not result_fits(story.record()).violations


@pytest.mark.parametrize(
    "story",
    [
        ended(173, **RATE_LIMIT),
        ended(3),
        ended(1, ids=["a"]),
        ended(2),
        ended(69),
        ended(75, status=503, reason="backendError"),
        ended(78),
        ended(130),
        ended(143),
        ended(-9),
        ended(-9, "SIGTERM"),
        ended(-11, "SIGKILL"),
        ended(-15, "SIGTERM", ids=["a"]),
    ],
    ids=lambda story: f"{story.processes[0].code} {story.processes[0].killed}",
)
def test_a_code_that_nothing_explains_is_found(story: Story) -> None:
    assert len(code_fits(story.record()).violations) == 1


def test_what_befell_another_place_explains_nothing() -> None:
    story = Story()
    story.fault("cut", OTHER.place)
    story.end(HUNTER, 69)
    assert len(code_fits(story.record()).violations) == 1


@pytest.mark.parametrize(
    ("name", "told", "reason"),
    [
        ("hunter-0-0.json", None, "no whole JSON object"),
        ("hunter-0-0.json", {"exit_code": 0}, "it says 0"),
        ("hunter-0-0.json", {"outcome": "ok"}, "its outcome is ok, its code 75"),
        ("hunter-0-0.json", {"outcome": "fine"}, "its outcome is 'fine'"),
        ("hunter-0-0.json", {"shard": "1/2"}, "it is of hunter 1/2"),
        ("hunter-0-0.json", {"stats": None}, "it has no stats"),
        ("hunter-0-7.json", {}, "of no process"),
    ],
)
def test_a_result_file_that_does_not_fit_is_found(name: str, told: dict[str, Any] | None, reason: str) -> None:
    story = Story()
    story.end(HUNTER, 75)
    value = story.results[0].value
    assert value is not None
    story.results[0] = ResultFile(name, None if told is None else {**value, **told})
    assert any(reason in violation for violation in result_fits(story.record()).violations)


def test_a_result_file_that_is_missing_is_found_unless_the_process_was_killed() -> None:
    story = Story()
    story.end(HUNTER, 0, result=False)
    story.end(OTHER, -9, killed="SIGKILL")
    [violation] = result_fits(story.record()).violations
    assert "left no hunter-0-0.json" in violation


def test_an_error_belongs_to_a_failure_alone() -> None:
    story = Story()
    story.end(HUNTER, 0)
    story.end(OTHER, 75)
    good, churned = (dict(result.value or {}) for result in story.results)
    del churned["error"]
    story.results = [
        ResultFile("hunter-0-0.json", {**good, "error": "none"}), ResultFile("hunter-1-0.json", churned)
    ]  # fmt: skip
    assert len(result_fits(story.record()).violations) == 2


def test_tracebacks_are_found() -> None:
    story = Story()
    assert no_traceback(story.record()).looked_at == 10
    assert not no_traceback(story.record()).violations
    story.leftover.append("hunter-0.log, line 7: Traceback (most recent call last):")
    assert no_traceback(story.record()).violations == story.leftover


# ── the count of calls ──────────────────────────────────────────────────────────────────────────────────────────────


def test_calls_that_are_reserved_made_and_given_back_are_counted() -> None:
    story = Story()
    story.reserve(HUNTER, "units", 3)
    story.call(HUNTER, "videos", reserved=False)
    story.call(HUNTER, "videos", reserved=False, status=500, reason="backendError")
    story.reserve(HUNTER, "units", -1)
    story.call(HUNTER, "search", status=0, reason="dropped")
    story.end(HUNTER, 0)
    checked = calls_counted(story.record())
    assert (checked.looked_at, list(checked.violations)) == (3, [])


def test_a_call_that_was_not_reserved_is_found_even_if_it_was_later() -> None:
    story = Story()
    story.call(HUNTER, "videos", reserved=False)
    story.reserve(HUNTER, "units")
    story.end(HUNTER, 0)
    [violation] = calls_counted(story.record()).violations
    assert "was made that was not counted" in violation


def test_the_reservations_of_others_do_not_count() -> None:
    story = Story()
    story.reserve(OTHER, "units")
    story.reserve(HUNTER, "search")
    story.call(HUNTER, "videos", reserved=False)
    assert len(calls_counted(story.record()).violations) == 1


@pytest.mark.parametrize(
    ("code", "fault", "most"),
    [(0, None, 0), (75, None, 0), (-9, None, 4), (143, None, 4), (0, "cut", 4), (0, "restart", 4), (-9, "cut", 8)],
)
def test_more_than_was_in_flight_is_found(code: int, fault: str | None, most: int) -> None:
    for number in (most, most + 1):
        story = Story()
        story.reserve(HUNTER, "units", number)
        if fault:
            story.fault(fault, HUNTER.place)
        story.end(HUNTER, code)
        assert len(calls_counted(story.record()).violations) == (number > most)


def test_a_signal_at_a_step_cuts_a_connection_and_one_at_random_does_not() -> None:
    for step, lawful in (("after reserve_calls", True), ("at random", False)):
        story = Story()
        story.reserve(HUNTER, "units", 4)
        story.fault("freeze", HUNTER.place, step)
        story.end(HUNTER, 0)
        assert (not calls_counted(story.record()).violations) is lawful


def test_more_settled_calls_than_reserved_ones_are_found() -> None:
    for settled in (2, 3):
        story = Story()
        story.change(HUNTER, "api_calls", "key units", reserved=2, settled=settled)
        violations = [one for one in calls_counted(story.record()).violations if "settled" in one]
        assert len(violations) == (settled > 2)
