"""What the harness checks of leases."""

from __future__ import annotations

from datetime import timedelta

import pytest

pytest.importorskip("harness.chaos", reason="the harness is part of the checkout, not of the wheel")

from harness.chaos.checks.leases import claims_given_back, lease_holds, written_by_holder
from harness.chaos.record import Process, Who

from ...support.fault_record import HUNTER, LEASE, OTHER, TRACKER, Story, page_token

LATE = Who("tracker 1/2", 22)


def known_videos(*ids: str) -> Story:
    story = Story()
    story.hunt(HUNTER, "1", ids)
    return story


def test_claims_that_end_expire_or_are_given_back_are_lawful() -> None:
    story = known_videos("a", "b")
    story.track(TRACKER, "a")
    story.claim(TRACKER, "videos", "a", "b")
    story.release(TRACKER, "videos", "b")
    story.pass_(LEASE + 0.1)
    story.track(LATE, "a")
    story.begin()
    story.delete(LATE, "videos", "b")
    story.pass_(LEASE)
    checked = lease_holds(story.record())
    assert checked.looked_at > 6
    assert not checked.violations
    assert not written_by_holder(story.record()).violations


def test_a_lease_that_is_too_long_is_found() -> None:
    story = known_videos("a")
    story.claim(TRACKER, "videos", "a", seconds=LEASE + 0.001)
    story.release(TRACKER, "videos", "a")
    [violation] = lease_holds(story.record()).violations
    assert "claimed for longer than 5 s" in violation


def test_a_row_that_is_claimed_while_another_holds_it_is_found() -> None:
    story = known_videos("a")
    story.claim(TRACKER, "videos", "a")
    story.pass_(LEASE - 1)
    story.claim(LATE, "videos", "a")
    story.release(LATE, "videos", "a")
    [violation] = lease_holds(story.record()).violations
    assert f"claimed while {TRACKER} held it" in violation


def test_a_lease_is_reckoned_from_the_beginning_of_the_transaction() -> None:
    story = known_videos("a")
    story.claim(TRACKER, "videos", "a")
    story.pass_(LEASE + 1)
    story.claim(LATE, "videos", "a")
    story.release(LATE, "videos", "a")
    assert not lease_holds(story.record()).violations
    claim = story.changes[-2]
    story.replace(-2, began=claim.began - timedelta(seconds=2), new={**claim.new, "leased_until": claim.began})
    assert len(lease_holds(story.record()).violations) == 1


def test_a_lease_that_is_lengthened_or_given_back_by_another_is_found() -> None:
    story = known_videos("a", "b")
    story.claim(TRACKER, "videos", "a", "b")
    story.begin()
    story.change(TRACKER, "videos", "a", leased_until=story.now + timedelta(seconds=60))
    story.release(LATE, "videos", "a")
    story.release(TRACKER, "videos", "b")
    lengthened, taken = lease_holds(story.record()).violations
    assert "changed without a claim" in lengthened
    assert "released by another" in taken


def test_a_row_that_is_held_at_the_end_is_found() -> None:
    story = known_videos("a")
    story.claim(TRACKER, "videos", "a")
    [violation] = lease_holds(story.record()).violations
    assert violation == "video a is held by tracker 0/2 at the end"


def test_a_reading_that_is_written_after_another_claimed_the_video_is_found() -> None:
    story = known_videos("a")
    story.claim(LATE, "videos", "a")
    story.pass_(LEASE + 1)
    story.update(LATE, "a")
    assert not written_by_holder(story.record()).violations, "its time had passed, and it was not claimed since"
    story.claim(LATE, "videos", "a")
    story.pass_(LEASE + 1)
    story.claim(TRACKER, "videos", "a")
    story.update(LATE, "a")
    [violation] = written_by_holder(story.record()).violations
    assert f"wrote due_at, last_updated_at while {TRACKER} held it" in violation


def test_two_processes_of_one_place_are_not_one() -> None:
    story = known_videos("a")
    story.claim(TRACKER, "videos", "a")
    story.update(Who(TRACKER.place, 99), "a")
    assert len(written_by_holder(story.record()).violations) == 1


def test_a_page_token_that_is_written_without_a_claim_is_found() -> None:
    story = Story()
    story.claim(OTHER, "search_queue", "1")
    story.search(OTHER, "1", ["a"])
    story.release(OTHER, "search_queue", "1")
    story.begin()
    story.store(OTHER, "a")
    story.advance(OTHER, "1", 1, page_token(50))
    [violation] = written_by_holder(story.record()).violations
    assert "wrote next_page_token" in violation
    assert "while nobody held it" in violation


def test_what_all_may_write_is_lawful() -> None:
    story = known_videos("a", "b")
    story.promote(OTHER, "1")
    story.claim(TRACKER, "videos", "a", "b")
    story.begin()
    # metadata read anew by another, of a video that is held, and of one that was thought to be gone
    story.change(OTHER, "videos", "a", enriched_at=story.schedule, absences=0, last_absent_at=None)
    story.change(TRACKER, "videos", "b", retired_at=story.schedule, due_at=None)
    due = story.schedule + timedelta(hours=1)
    story.change(OTHER, "videos", "b", enriched_at=story.schedule, retired_at=None, due_at=due)
    story.change(OTHER, "videos", "a", archived_at=story.schedule)
    story.begin()
    story.change(Who(""), "search_queue", "1", status="paused")  # the driver's own
    assert not written_by_holder(story.record()).violations
    story.change(OTHER, "videos", "a", enriched_at=story.schedule, due_at=due)
    assert len(written_by_holder(story.record()).violations) == 1, "it had a due time"


@pytest.mark.parametrize("code", [0, 75, 143])
def test_a_process_that_ends_in_good_order_has_given_its_claims_back(code: int) -> None:
    def told(*, released: bool, fault: str | None = None, seconds: float = 1.0, step: str = "at random") -> list[str]:
        story = known_videos("a", "b")
        story.claim(TRACKER, "videos", "a", "b")
        if code == 143:
            story.fault("term", TRACKER.place, step)
        if fault:
            story.fault(fault, TRACKER.place)
        story.release(TRACKER, "videos", "a")
        if released:
            story.release(TRACKER, "videos", "b")
        story.pass_(seconds)
        story.end(TRACKER, code)
        return list(claims_given_back(story.record()).violations)

    assert not told(released=True)
    [violation] = told(released=False)
    assert f"which ended with {code}" in violation
    assert not told(released=False, fault="cut")
    if code == 143:
        assert not told(released=False, seconds=10), "its grace was over"
        assert not told(released=False, step="after claim_videos"), "it was never told of its claim"


def test_a_claim_that_another_found_after_a_good_end_is_found_and_one_that_was_overtaken_is_not() -> None:
    story = known_videos("a")
    story.claim(TRACKER, "videos", "a")
    story.end(TRACKER, 0)
    story.pass_(LEASE + 1)
    story.track(LATE, "a")
    [violation] = claims_given_back(story.record()).violations
    assert "it still bore the claim of tracker 0/2" in violation
    story.processes[0] = _ended_later(story.processes[0])
    assert not claims_given_back(story.record()).violations


def _ended_later(process: Process) -> Process:
    return Process(
        process.place, process.agent, process.run, process.pid, process.started, process.ended + timedelta(days=1), 0
    )
