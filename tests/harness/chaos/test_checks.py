"""All checks of the harness together."""

from __future__ import annotations

import pytest

pytest.importorskip("harness.chaos", reason="the harness is part of the checkout, not of the wheel")

from harness.chaos.checks import CHECKS
from harness.chaos.record import Record, Who

from ...support.fault_record import HUNTER, LEASE, OTHER, TRACKER, Story, page_token

NEXT = Who(TRACKER.place, 23)


def test_a_run_in_which_all_goes_right_whatever_befell_it_passes_every_check() -> None:
    story = Story()
    story.hunt(HUNTER, "1", ["a", "b"], page_token(50))
    story.archive(HUNTER, "a", "b")
    story.end(HUNTER, 0)
    story.claim(TRACKER, "videos", "a", "b")  # killed with its claims
    story.call(TRACKER, "batchGetStats", ["a", "b"])
    story.fault("kill", TRACKER.place, "before update_videos")
    story.end(TRACKER, -9, killed="SIGKILL")
    story.pass_(LEASE)
    story.track(NEXT, "a", "b")
    story.end(NEXT, 0, run=1)
    story.claim(OTHER, "search_queue", "1")
    story.search(OTHER, "1", [], status=429, reason="rateLimitExceeded", fault="rate-limit")
    story.release(OTHER, "search_queue", "1")
    story.end(OTHER, 75)
    for check in CHECKS:
        checked = check(story.record())
        assert checked.looked_at, checked.name
        assert not checked.violations


def test_nothing_at_all_passes_too() -> None:
    for check in CHECKS:
        assert check(Record()).looked_at == 0
        assert not check(Record()).violations
