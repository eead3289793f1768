"""Each check of the harness finds what it is for, and takes nothing else for it."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("harness.chaos", reason="the harness is part of the checkout, not of the wheel")

from harness.chaos.checks import CHECKS
from harness.chaos.checks.archive import archived_or_listed
from harness.chaos.checks.counts import calls_counted
from harness.chaos.checks.endings import code_fits, no_traceback, result_fits
from harness.chaos.checks.leases import claims_given_back, lease_holds, written_by_holder
from harness.chaos.checks.searches import page_stored_once, search_stored, token_goes_forward
from harness.chaos.checks.snapshots import first_snapshot, snapshot_once, snapshot_times
from harness.chaos.environment import INDEX_LAG
from harness.chaos.record import Record, ResultFile, Who

from ...support.fault_record import FREE, HUNTER, LEASE, OTHER, SPEED, TRACKER, Story, page_token

LATE = Who("tracker 1/2", 22)
NEXT = Who(TRACKER.place, 23)
LOST_TOKEN = {"next_page_token": None, "page": 0}


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def known(story: Story) -> Story:
    """A story in which the videos a, b and c are known."""
    story.hunt(HUNTER, "1", ["a", "b", "c"])
    return story


@pytest.fixture
def paged(story: Story) -> Story:
    """A story in which a topic stands at its second page."""
    story.hunt(HUNTER, "1", ["a"], page_token(50))
    return story


def nothing_found(story: Story) -> None:
    for check in (search_stored, page_stored_once, token_goes_forward):
        story.finds(check)


def test_a_run_in_which_all_goes_right_passes_every_check(story: Story) -> None:
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
        assert check(story.record()).looked_at, check.__name__
        story.finds(check)
        assert (check(Record()).looked_at, list(check(Record()).violations)) == (0, []), check.__name__


def test_pages_rounds_and_released_searches_are_lawful(story: Story) -> None:
    story.hunt(HUNTER, "1", ["a", "b"], page_token(50))
    story.hunt(OTHER, "1", ["b", "c"])  # the round's last page; "b" is known
    story.promote(OTHER, "1")
    story.claim(HUNTER, "search_queue", "1")
    story.search(HUNTER, "1", [], status=500, reason="backendError")
    story.search(HUNTER, "1", ["d"])
    story.pass_(6)  # killed here; another takes the page over
    story.end(HUNTER, -9, killed="SIGKILL")
    story.hunt(OTHER, "1", ["d"])
    story.begin()
    story.delete(OTHER, "videos", "a")
    story.end(OTHER, 0)
    nothing_found(story)


def test_a_search_that_stored_only_a_part_of_its_answer_is_found(story: Story) -> None:
    story.claim(HUNTER, "search_queue", "1")
    story.search(HUNTER, "1", ["a", "b"])
    story.begin()
    story.store(HUNTER, "a")
    story.advance(HUNTER, "1", 2, None)
    story.begin()
    story.store(OTHER, "b")  # too late: had this one been killed, no process would have asked for "b" again
    story.finds(search_stored, "1 were not stored by then, such as b")


def test_a_stored_video_that_is_lost_is_found_and_one_that_was_deleted_is_not(known: Story) -> None:
    del known.rows["videos", "a"]
    known.begin()
    known.delete(HUNTER, "videos", "b")
    known.finds(search_stored, "1 were stored and lost, such as a")


def test_results_without_an_answer_are_found_and_a_refused_query_is_not(story: Story) -> None:
    for status, results, found in ((400, 0, []), (500, 2, ["2 results were written without an answer"])):
        story.claim(HUNTER, "search_queue", "1")
        story.search(HUNTER, "1", [], status=status, reason="badRequest")
        story.begin()
        story.advance(HUNTER, "1", results, None)
        story.finds(search_stored, *found)
        story.promote(HUNTER, "1")


@pytest.mark.parametrize(("who", "claims_again"), [(OTHER, False), (HUNTER, True)], ids=["other process", "old claim"])
def test_an_answer_of_another_process_or_of_an_earlier_claim_is_none(
    who: Who, claims_again: bool, story: Story
) -> None:
    story.claim(HUNTER, "search_queue", "1")
    story.search(who, "1", ["a"])
    if claims_again:
        story.release(HUNTER, "search_queue", "1")
        story.claim(HUNTER, "search_queue", "1")
    story.begin()
    story.store(HUNTER, "a")
    story.advance(HUNTER, "1", 1, None)
    story.finds(search_stored, "without an answer")


@pytest.mark.parametrize(("code", "found"), [(0, True), (75, True), (69, False), (143, False)])
def test_an_answer_is_given_up_only_with_a_reason(code: int, found: bool, story: Story) -> None:
    story.claim(HUNTER, "search_queue", "1")
    story.search(HUNTER, "1", ["a"])
    story.release(HUNTER, "search_queue", "1")
    story.end(HUNTER, code)
    story.finds(search_stored, *["given up without a reason"] * found)
    story.faults.clear()
    story.fault("cut", HUNTER.place)
    story.end(HUNTER, code)
    story.finds(search_stored)


def test_a_page_that_is_stored_twice_is_found_and_a_round_that_begins_again_is_not(paged: Story) -> None:
    paged.claim(HUNTER, "search_queue", "1")
    paged.begin()
    paged.change(HUNTER, "search_queue", "1", restarts=1, **LOST_TOKEN, **FREE)
    paged.hunt(HUNTER, "1", ["a"], page_token(50))
    nothing_found(paged)
    paged.begin()
    paged.change(OTHER, "search_queue", "1", **LOST_TOKEN)
    paged.hunt(HUNTER, "1", ["a"], page_token(50))
    paged.finds(page_stored_once, "the page was stored already")


def test_the_window_of_a_refused_round_is_searched_again(paged: Story) -> None:
    paged.claim(HUNTER, "search_queue", "1")
    paged.search(HUNTER, "1", [], status=403)
    paged.begin()
    no_window = {"published_after": None, "published_before": None}
    paged.change(HUNTER, "search_queue", "1", searches=2, status="waiting", **LOST_TOKEN, **no_window, **FREE)
    paged.promote(HUNTER, "1")
    paged.hunt(HUNTER, "1", ["b"])
    nothing_found(paged)


def test_rounds_overlap_by_the_lag_at_most_and_slices_go_back_in_one_window(known: Story) -> None:
    known.promote(HUNTER, "1")
    known.begin()
    ended = known.rows["search_queue", "1"]["round_ended_at"]
    known.change(HUNTER, "search_queue", "1", round_ended_at=ended - INDEX_LAG)  # where the next round begins
    known.hunt(HUNTER, "1", ["b"], page_token(50))
    after, before = (known.rows["search_queue", "1"][name] for name in ("published_after", "published_before"))
    read_to = (after + (before - after) / 2).replace(microsecond=0)
    known.claim(HUNTER, "search_queue", "1")
    known.begin()
    # the token was too old
    known.change(HUNTER, "search_queue", "1", published_before=read_to, round_before=before, **LOST_TOKEN)
    known.replace(-1, old={**known.changes[-1].old, "oldest_read": read_to})
    known.hunt(HUNTER, "1", ["b", "c"])
    nothing_found(known)
    known.promote(HUNTER, "1")
    known.begin()
    known.change(HUNTER, "search_queue", "1", round_ended_at=before - INDEX_LAG - timedelta(seconds=5))
    known.hunt(HUNTER, "1", ["d"])
    known.finds(page_stored_once, "overlaps that of the last round")


def test_an_empty_answer_is_asked_again_and_a_slice_that_leaves_a_hole_is_found(story: Story) -> None:
    story.claim(HUNTER, "search_queue", "1")
    story.search(HUNTER, "1", [])
    story.begin()
    after, before = story.windows["1"]
    window = {"published_after": after, "published_before": before, "searches": 1, "empty_answers": 1}
    story.change(HUNTER, "search_queue", "1", status="waiting", leased_until=None, lease_token=None, **window)
    story.promote(HUNTER, "1")
    story.hunt(HUNTER, "1", ["a"], page_token(50))
    nothing_found(story)
    story.claim(HUNTER, "search_queue", "1")
    story.begin()
    story.change(HUNTER, "search_queue", "1", published_before=after + timedelta(hours=1), **LOST_TOKEN)
    story.finds(token_goes_forward, "in the middle of a round")


@pytest.mark.parametrize(
    ("token", "page", "reason"),
    [
        (page_token(50), 2, "goes from 50 to 50"),
        (page_token(0), 2, "goes from 50 to 0"),
        (page_token(100), 1, "from page 1 to page 1"),
        ("?", 2, "cannot be read"),
    ],
)
def test_a_page_token_that_does_not_go_forward_is_found(token: str, page: int, reason: str, paged: Story) -> None:
    paged.finds(token_goes_forward)
    paged.hunt(HUNTER, "1", ["b"], page_token(100))
    paged.replace(-1, new={**paged.changes[-1].new, "next_page_token": token, "page": page})
    paged.finds(token_goes_forward, reason)


def test_a_page_token_that_is_lost_or_comes_from_nowhere_is_found(paged: Story) -> None:
    ended = paged.rows["search_queue", "1"]["published_before"]
    paged.claim(HUNTER, "search_queue", "1")
    paged.begin()
    dropped = {"published_after": None, "published_before": None, "round_ended_at": ended}
    paged.change(HUNTER, "search_queue", "1", **LOST_TOKEN, **dropped)
    paged.finds(token_goes_forward)
    paged.replace(-1, new={**paged.changes[-1].new, "round_ended_at": None})
    lost = "lost its page token in the middle of a round"
    paged.finds(token_goes_forward, lost)
    paged.change(HUNTER, "search_queue", "1", next_page_token=page_token(100), page=2)
    paged.finds(token_goes_forward, lost, "without a search")


def test_claims_that_end_expire_or_are_released_are_lawful(known: Story) -> None:
    known.track(TRACKER, "a")
    known.claim(TRACKER, "videos", "a", "b")
    known.release(TRACKER, "videos", "b")
    known.pass_(LEASE + 0.1)
    known.track(LATE, "a")
    known.begin()
    known.delete(LATE, "videos", "b")
    known.pass_(LEASE)
    assert lease_holds(known.record()).looked_at > 6
    known.finds(lease_holds)
    known.finds(written_by_holder)


def test_a_lease_that_is_too_long_is_found(known: Story) -> None:
    known.claim(TRACKER, "videos", "a", seconds=LEASE + 0.001)
    known.release(TRACKER, "videos", "a")
    known.finds(lease_holds, "claimed for longer than 5 s")


def test_a_row_that_is_claimed_while_another_holds_it_is_found(known: Story) -> None:
    known.claim(TRACKER, "videos", "a")
    known.pass_(LEASE - 1)
    known.claim(LATE, "videos", "a")
    known.release(LATE, "videos", "a")
    known.finds(lease_holds, f"claimed while {TRACKER} held it")


def test_a_lease_counts_from_the_beginning_of_the_transaction(known: Story) -> None:
    known.claim(TRACKER, "videos", "a")
    known.pass_(LEASE + 1)
    known.claim(LATE, "videos", "a")
    known.release(LATE, "videos", "a")
    known.finds(lease_holds)
    claim = known.changes[-2]
    known.replace(-2, began=claim.began - timedelta(seconds=2), new={**claim.new, "leased_until": claim.began})
    known.finds(lease_holds, "claimed while")


def test_a_lease_that_is_lengthened_or_released_by_another_is_found(known: Story) -> None:
    known.claim(TRACKER, "videos", "a", "b")
    known.begin()
    known.change(TRACKER, "videos", "a", leased_until=known.now + timedelta(seconds=60))
    known.release(LATE, "videos", "a")
    known.release(TRACKER, "videos", "b")
    known.finds(lease_holds, "changed without a claim", "released by another")


def test_a_row_that_is_held_at_the_end_is_found(known: Story) -> None:
    known.claim(TRACKER, "videos", "a")
    known.finds(lease_holds, "video a is held by tracker 0/2 at the end")


def test_a_reading_that_is_written_after_another_claimed_the_video_is_found(known: Story) -> None:
    known.claim(LATE, "videos", "a")
    known.pass_(LEASE + 1)
    known.update(LATE, "a")
    known.finds(written_by_holder)  # its time had passed, and it was not claimed since
    known.claim(LATE, "videos", "a")
    known.pass_(LEASE + 1)
    known.claim(TRACKER, "videos", "a")
    known.update(LATE, "a")
    stolen = f"wrote due_at, last_updated_at while {TRACKER} held it"
    known.finds(written_by_holder, stolen)
    known.claim(TRACKER, "videos", "b")
    known.update(NEXT, "b")
    known.finds(written_by_holder, stolen, f"while {TRACKER} held it")  # two processes of one place are not one


def test_a_page_token_that_is_written_without_a_claim_is_found(story: Story) -> None:
    story.claim(OTHER, "search_queue", "1")
    story.search(OTHER, "1", ["a"])
    story.release(OTHER, "search_queue", "1")
    story.begin()
    story.store(OTHER, "a")
    story.advance(OTHER, "1", 1, page_token(50))
    story.finds(written_by_holder, "wrote next_page_token")
    story.finds(written_by_holder, "while no process held it")


def test_what_all_may_write_is_lawful(known: Story) -> None:
    known.promote(OTHER, "1")
    known.claim(TRACKER, "videos", "a", "b")
    known.begin()
    # metadata read anew by another, of a video that is held, and of one that was thought to be gone
    known.change(OTHER, "videos", "a", enriched_at=known.schedule, absences=0, last_absent_at=None)
    known.change(TRACKER, "videos", "b", retired_at=known.schedule, due_at=None)
    due = known.schedule + timedelta(hours=1)
    known.change(OTHER, "videos", "b", enriched_at=known.schedule, retired_at=None, due_at=due)
    known.change(OTHER, "videos", "a", archived_at=known.schedule)
    known.begin()
    known.change(Who(""), "search_queue", "1", status="paused")  # the driver's own
    known.finds(written_by_holder)
    known.change(OTHER, "videos", "a", enriched_at=known.schedule, due_at=due)
    known.finds(written_by_holder, "wrote due_at")  # it had a due time


@pytest.mark.parametrize(
    ("code", "released", "fault", "seconds", "step", "found"),
    [
        *((code, True, None, 1, "at random", False) for code in (0, 75, 143)),
        *((code, False, None, 1, "at random", True) for code in (0, 75, 143)),
        *((code, False, "cut", 1, "at random", False) for code in (0, 75, 143)),
        pytest.param(143, False, None, 10, "at random", False, id="its grace was over"),
        pytest.param(143, False, None, 1, "after claim_videos", False, id="it never heard of its claim"),
    ],
)
def test_a_process_that_ends_regularly_has_released_its_claims(
    code: int, released: bool, fault: str | None, seconds: float, step: str, found: bool, known: Story
) -> None:
    known.claim(TRACKER, "videos", "a", "b")
    if code == 143:
        known.fault("term", TRACKER.place, step)
    if fault:
        known.fault(fault, TRACKER.place)
    known.release(TRACKER, "videos", "a", *["b"] * released)
    known.pass_(seconds)
    known.end(TRACKER, code)
    known.finds(claims_given_back, *[f"which ended with {code}"] * found)


def test_a_claim_that_another_found_after_a_good_end_is_found_and_one_that_was_overtaken_is_not(known: Story) -> None:
    known.claim(TRACKER, "videos", "a")
    known.end(TRACKER, 0)
    known.pass_(LEASE + 1)
    known.track(LATE, "a")
    known.finds(claims_given_back, "it still bore the claim of tracker 0/2")
    process = known.processes[0]
    known.processes[0] = dataclasses.replace(process, ended=process.ended + timedelta(days=1))
    known.finds(claims_given_back)


def test_readings_one_after_another_are_lawful(known: Story) -> None:
    known.track(TRACKER, "a", "b")
    known.track(TRACKER, "a")
    known.claim(TRACKER, "videos", "b")
    known.call(TRACKER, "batchGetStats", ["b"])
    known.call(TRACKER, "videos", ["a", "b"])  # "b" is a control id for somebody else
    known.pass_(3)  # the database was away
    known.update(TRACKER, "b")
    for check in (snapshot_once, first_snapshot, snapshot_times):
        assert check(known.record()).looked_at >= 6
        known.finds(check)


def test_two_snapshots_of_one_answer_are_found(known: Story) -> None:
    known.track(TRACKER, "a")
    known.update(TRACKER, "a")
    known.finds(snapshot_once, "(batchGetStats) of tracker 0/2 (process 21) has led to a snapshot already")


def test_a_video_that_is_enriched_without_a_snapshot_is_found(story: Story) -> None:
    story.begin()
    story.change(HUNTER, "videos", "a")
    story.begin()
    story.change(HUNTER, "videos", "a", enriched_at=story.schedule, last_updated_at=story.schedule)
    story.finds(first_snapshot, "enriched without a snapshot")
    story.begin()
    story.change(HUNTER, "video_stats_log", "a", observed_at=story.rows["videos", "a"]["enriched_at"])
    story.finds(
        first_snapshot, "enriched without a snapshot", "beside its video's row"
    )  # another transaction's is none


def test_a_snapshot_that_its_row_knows_nothing_of_is_found(known: Story) -> None:
    known.begin()
    known.change(TRACKER, "videos", "a", last_updated_at=known.schedule)
    known.change(TRACKER, "video_stats_log", "a", observed_at=known.schedule + timedelta(minutes=1))
    known.finds(first_snapshot, "beside its video's row")


def test_a_snapshot_without_an_answer_since_the_claim_is_found(known: Story) -> None:
    known.track(TRACKER, "a")
    known.claim(TRACKER, "videos", "a")
    known.call(TRACKER, "batchGetStats", ["a"], status=500, reason="backendError")
    known.call(TRACKER, "batchGetStats", ["other"])
    known.update(TRACKER, "a")
    known.finds(snapshot_times, "from no answer about its video")


@pytest.mark.parametrize(("seconds", "reason"), [(-1, "and call"), (600, "after it was written")])
@pytest.mark.parametrize("claimed", [True, False], ids=["of a claimed video", "of a new video"])
def test_a_snapshot_that_bears_a_time_before_the_answer_or_after_the_writing_is_found(
    claimed: bool, seconds: int, reason: str, known: Story
) -> None:
    if claimed:
        known.claim(TRACKER, "videos", "a")
        known.call(TRACKER, "batchGetStats", ["a"])
        known.update(TRACKER, "a", observed=known.schedule + timedelta(seconds=seconds))
    else:
        known.call(HUNTER, "videos", ["d"])
        at = known.schedule + timedelta(seconds=seconds)
        known.change(HUNTER, "videos", "d", enriched_at=at, last_updated_at=at)
        known.change(HUNTER, "video_stats_log", "d", observed_at=at)
    known.pass_(60)
    known.call(HUNTER, "search")
    known.finds(snapshot_times, reason)


def test_a_video_that_is_marked_without_a_record_and_a_damaged_record_are_found(known: Story) -> None:
    known.archive(HUNTER, "a", "b")
    known.archived.add("c")  # written, and its writer killed before it was noted
    known.finds(archived_or_listed)
    known.archived.remove("b")
    known.damaged.append("metadata/2026-11-22/a.json: it is no JSON")
    known.finds(archived_or_listed, "a.json: it is no JSON", "video b was archived")


def test_a_record_that_was_deleted_for_its_age_is_not_missed(known: Story) -> None:
    known.archive(HUNTER, "a")
    known.archived.clear()
    for days, found in ((28, ["video a was archived"]), (2, [])):
        known.pass_(days * 86_400 / SPEED)
        known.call(HUNTER, "search")
        known.finds(archived_or_listed, *found)


RATE_LIMIT: dict[str, Any] = {"status": 429, "reason": "rateLimitExceeded", "fault": "rate-limit"}
FAILED: dict[str, Any] = {"status": 503, "reason": "backendError"}


@pytest.mark.parametrize(
    ("code", "killed", "fault", "call", "lawful"),
    [
        (0, None, None, {}, True),
        pytest.param(0, "SIGTERM", None, {}, True, id="0, SIGTERM came too late"),
        (1, None, None, FAILED, True),
        (69, None, "restart", {}, True),
        (75, None, None, RATE_LIMIT, True),
        (143, "SIGTERM", None, {"ids": ["a"]}, True),
        (-9, "SIGKILL", None, {"ids": ["a"]}, True),
        pytest.param(-15, "SIGTERM", None, {}, True, id="-15, before Python could take it"),
        (173, None, None, RATE_LIMIT, False),
        (3, None, None, {}, False),
        (1, None, None, {"ids": ["a"]}, False),
        (2, None, None, {}, False),
        (69, None, None, {}, False),
        (75, None, None, FAILED, False),
        (78, None, None, {}, False),
        (130, None, None, {}, False),
        (143, None, None, {}, False),
        (-9, None, None, {}, False),
        (-9, "SIGTERM", None, {}, False),
        (-11, "SIGKILL", None, {}, False),
        (-15, "SIGTERM", None, {"ids": ["a"]}, False),
    ],
)
def test_a_code_needs_a_cause(
    code: int, killed: str | None, fault: str | None, call: dict[str, Any], lawful: bool, story: Story
) -> None:
    if call:
        story.call(HUNTER, "search", **call)
    if fault:
        story.fault(fault)
    story.fault("cut", OTHER.place)  # of another place: it explains nothing
    story.end(HUNTER, code, killed=killed)
    story.finds(code_fits, *[f"ended with {code}"] * (not lawful))
    if lawful:
        story.finds(result_fits)


@pytest.mark.parametrize(
    ("code", "name", "changes", "reason"),
    [
        (75, "hunter-0-0.json", None, "no whole JSON object"),
        (75, "hunter-0-0.json", {"exit_code": 0}, "it says 0"),
        (75, "hunter-0-0.json", {"outcome": "ok"}, "its outcome is ok, its code 75"),
        (75, "hunter-0-0.json", {"outcome": "fine"}, "its outcome is 'fine'"),
        (75, "hunter-0-0.json", {"shard": "1/2"}, "it is of hunter 1/2"),
        (75, "hunter-0-0.json", {"stats": None}, "it has no stats"),
        (75, "hunter-0-7.json", {}, "of no process"),
        (0, "hunter-0-0.json", {"error": "none"}, "an error for success"),
    ],
)
def test_a_result_file_that_does_not_fit_is_found(
    code: int, name: str, changes: dict[str, Any] | None, reason: str, story: Story
) -> None:
    story.end(HUNTER, code)
    value = story.results[0].value or {}
    story.results[0] = ResultFile(name, None if changes is None else {**value, **changes})
    assert any(reason in violation for violation in result_fits(story.record()).violations)


def test_a_result_file_or_its_error_that_is_missing_is_found_unless_the_process_was_killed(story: Story) -> None:
    story.end(HUNTER, 0, result=False)
    story.end(OTHER, -9, killed="SIGKILL")
    story.finds(result_fits, "left no hunter-0-0.json")
    story.end(TRACKER, 75)
    value = dict(story.results[0].value or {})
    del value["error"]
    story.results[0] = ResultFile(story.results[0].name, value)
    story.finds(result_fits, "left no hunter-0-0.json", "does not say what went wrong")


def test_tracebacks_are_found(story: Story) -> None:
    story.finds(no_traceback)
    story.leftover.append("hunter-0.log, line 7: Traceback (most recent call last):")
    story.finds(no_traceback, "line 7: Traceback")


def test_calls_that_are_reserved_made_and_released_are_counted(story: Story) -> None:
    story.reserve(HUNTER, "units", 3)
    story.call(HUNTER, "videos", reserved=False)
    story.call(HUNTER, "videos", reserved=False, status=500, reason="backendError")
    story.reserve(HUNTER, "units", -1)
    story.call(HUNTER, "search", status=0, reason="dropped")
    story.end(HUNTER, 0)
    assert calls_counted(story.record()).looked_at == 3
    story.finds(calls_counted)


def test_a_call_that_was_not_reserved_by_its_process_in_its_bucket_is_found(story: Story) -> None:
    story.reserve(OTHER, "units")
    story.reserve(HUNTER, "search")
    story.call(HUNTER, "videos", reserved=False)
    story.reserve(HUNTER, "units")  # too late
    story.finds(calls_counted, "was made that was not counted")


@pytest.mark.parametrize(
    ("code", "fault", "step", "most"),
    [
        (0, None, None, 0), (75, None, None, 0), (-9, None, None, 4), (143, None, None, 4), (0, "cut", None, 4),
        (0, "restart", None, 4), (-9, "cut", None, 8), (0, "freeze", "after reserve_calls", 4),
        (0, "freeze", "at random", 0),
    ],
)  # fmt: skip
def test_more_calls_than_were_in_flight_are_found(code: int, fault: str | None, step: str | None, most: int) -> None:
    for number in (most, most + 1):
        story = Story()
        story.reserve(HUNTER, "units", number)
        if fault:
            story.fault(fault, HUNTER.place, step)
        story.end(HUNTER, code)
        story.finds(calls_counted, *[f"{number} calls more are counted"] * (number > most))


def test_more_settled_calls_than_reserved_ones_are_found(story: Story) -> None:
    for settled, found in ((2, []), (3, ["3 settled calls of 2 reserved"])):
        story.change(Who(""), "api_calls", "key units", reserved=2, settled=settled)
        story.finds(calls_counted, *found)
