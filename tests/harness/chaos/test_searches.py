"""What the harness checks of searches: stored or released, once, and page tokens that go forward."""

from __future__ import annotations

from datetime import timedelta

import pytest

pytest.importorskip("harness.chaos", reason="the harness is part of the checkout, not of the wheel")

from harness.chaos.checks import Checked
from harness.chaos.checks.searches import page_stored_once, search_stored, token_goes_forward
from harness.chaos.environment import INDEX_LAG

from ...support.fault_record import HUNTER, OTHER, Story, page_token


def checked(story: Story) -> list[Checked]:
    record = story.record()
    return [check(record) for check in (search_stored, page_stored_once, token_goes_forward)]


def test_pages_rounds_and_what_was_given_back_are_lawful() -> None:
    story = Story()
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
    for check in checked(story):
        assert check.looked_at
        assert not check.violations


def test_a_search_that_stored_only_a_part_of_its_answer_is_found() -> None:
    story = Story()
    story.claim(HUNTER, "search_queue", "1")
    story.search(HUNTER, "1", ["a", "b"])
    story.begin()
    story.store(HUNTER, "a")
    story.advance(HUNTER, "1", 2, None)
    story.begin()
    story.store(OTHER, "b")  # too late: had this one been killed, nobody would have asked for "b" again
    [violation] = search_stored(story.record()).violations
    assert "1 were not stored by then, such as b" in violation


def test_a_stored_video_that_is_lost_is_found_and_one_that_was_deleted_is_not() -> None:
    story = Story()
    story.hunt(HUNTER, "1", ["a", "b"])
    del story.rows["videos", "a"]
    story.begin()
    story.delete(HUNTER, "videos", "b")
    [violation] = search_stored(story.record()).violations
    assert "1 were stored and lost, such as a" in violation


def test_results_without_an_answer_are_found_and_a_refused_query_is_not() -> None:
    story = Story()
    story.claim(HUNTER, "search_queue", "1")
    story.search(HUNTER, "1", [], status=400, reason="badRequest")
    story.begin()
    story.advance(HUNTER, "1", 0, None)
    assert not search_stored(story.record()).violations
    story.promote(HUNTER, "1")
    story.claim(HUNTER, "search_queue", "1")
    story.search(HUNTER, "1", [], status=500, reason="backendError")
    story.begin()
    story.advance(HUNTER, "1", 2, None)
    [violation] = search_stored(story.record()).violations
    assert "2 results were written without an answer" in violation


def test_an_answer_of_another_process_or_of_an_earlier_claim_is_none() -> None:
    for who, moves_on in ((OTHER, False), (HUNTER, True)):
        story = Story()
        story.claim(HUNTER, "search_queue", "1")
        story.search(who, "1", ["a"])
        if moves_on:
            story.release(HUNTER, "search_queue", "1")
            story.claim(HUNTER, "search_queue", "1")
        story.begin()
        story.store(HUNTER, "a")
        story.advance(HUNTER, "1", 1, None)
        assert len(search_stored(story.record()).violations) == 1


@pytest.mark.parametrize(("code", "violations"), [(0, 1), (75, 1), (69, 0), (143, 0)])
def test_an_answer_is_given_up_only_with_a_reason(code: int, violations: int) -> None:
    story = Story()
    story.claim(HUNTER, "search_queue", "1")
    story.search(HUNTER, "1", ["a"])
    story.release(HUNTER, "search_queue", "1")
    story.end(HUNTER, code)
    assert len(search_stored(story.record()).violations) == violations
    story.fault("cut", HUNTER.place)
    story.processes[0] = story.end(HUNTER, code)
    assert not search_stored(story.record()).violations, "its database was cut off"


def test_a_page_that_is_stored_twice_is_found_and_a_round_that_begins_again_is_not() -> None:
    story = Story()
    story.hunt(HUNTER, "1", ["a"], page_token(50))
    story.claim(HUNTER, "search_queue", "1")
    story.begin()
    free = {"leased_until": None, "lease_token": None, "leased_by": None}
    story.change(HUNTER, "search_queue", "1", next_page_token=None, page=0, restarts=1, **free)
    story.hunt(HUNTER, "1", ["a"], page_token(50))
    assert not any(check.violations for check in checked(story))
    story.begin()
    story.change(OTHER, "search_queue", "1", next_page_token=None, page=0)
    story.hunt(HUNTER, "1", ["a"], page_token(50))
    [violation] = page_stored_once(story.record()).violations
    assert "the page was stored already" in violation


def test_the_window_of_a_round_that_was_refused_in_its_midst_is_looked_at_again() -> None:
    story = Story()
    story.hunt(HUNTER, "1", ["a"], page_token(50))
    story.claim(HUNTER, "search_queue", "1")
    story.search(HUNTER, "1", [], status=403)
    row = story.rows["search_queue", "1"]
    story.begin()
    free = {"leased_until": None, "lease_token": None, "leased_by": None}
    gone = {"next_page_token": None, "page": 0, "published_after": None, "published_before": None}
    story.change(HUNTER, "search_queue", "1", searches=row["searches"] + 1, status="waiting", **gone, **free)
    story.promote(HUNTER, "1")
    story.hunt(HUNTER, "1", ["b"])
    assert not any(check.violations for check in checked(story))


def test_windows_that_overlap_are_found() -> None:
    story = Story()
    story.hunt(HUNTER, "1", ["a"])
    story.promote(HUNTER, "1")
    story.begin()
    before = story.rows["search_queue", "1"]["round_ended_at"]
    story.change(HUNTER, "search_queue", "1", round_ended_at=before.replace(hour=0))
    story.hunt(HUNTER, "1", ["b"])
    [violation] = page_stored_once(story.record()).violations
    assert "overlaps" in violation


def test_rounds_may_overlap_by_the_lag_and_slices_go_back_in_one_window() -> None:
    story = Story()
    story.hunt(HUNTER, "1", ["a"])
    story.promote(HUNTER, "1")
    story.begin()
    ended = story.rows["search_queue", "1"]["round_ended_at"]
    story.change(HUNTER, "search_queue", "1", round_ended_at=ended - INDEX_LAG)  # where the next round begins
    story.hunt(HUNTER, "1", ["b"], page_token(50))
    row = story.rows["search_queue", "1"]
    before = row["published_before"]
    read_to = (row["published_after"] + (before - row["published_after"]) / 2).replace(microsecond=0)
    story.claim(HUNTER, "search_queue", "1")
    story.begin()
    gone = {"next_page_token": None, "page": 0, "published_before": read_to, "round_before": before}
    story.change(HUNTER, "search_queue", "1", **gone)  # the token was too old
    story.replace(-1, old=story.changes[-1].old | {"oldest_read": read_to})
    story.hunt(HUNTER, "1", ["b", "c"])
    assert not any(check.violations for check in checked(story))
    story.promote(HUNTER, "1")
    story.begin()
    story.change(HUNTER, "search_queue", "1", round_ended_at=before - INDEX_LAG - timedelta(seconds=5))
    story.hunt(HUNTER, "1", ["d"])
    [violation] = page_stored_once(story.record()).violations
    assert "overlaps that of the last round" in violation


def test_an_empty_answer_is_asked_again_and_a_slice_that_leaves_a_hole_is_found() -> None:
    story = Story()
    story.claim(HUNTER, "search_queue", "1")
    story.search(HUNTER, "1", [])
    story.begin()
    after, before = story.windows["1"]
    window = {"published_after": after, "published_before": before, "searches": 1, "empty_answers": 1}
    story.change(HUNTER, "search_queue", "1", status="waiting", leased_until=None, lease_token=None, **window)
    story.promote(HUNTER, "1")
    story.hunt(HUNTER, "1", ["a"], page_token(50))
    assert not any(check.violations for check in checked(story))
    story.claim(HUNTER, "search_queue", "1")
    story.begin()
    hole = {"next_page_token": None, "page": 0, "published_before": after + timedelta(hours=1)}
    story.change(HUNTER, "search_queue", "1", **hole)
    assert len(token_goes_forward(story.record()).violations) == 1


@pytest.mark.parametrize(
    ("token", "page", "reason"),
    [
        (page_token(50), 2, "goes from 50 to 50"),
        (page_token(0), 2, "goes from 50 to 0"),
        (page_token(100), 1, "from page 1 to page 1"),
        ("?", 2, "cannot be read"),
    ],
)
def test_a_page_token_that_does_not_go_forward_is_found(token: str, page: int, reason: str) -> None:
    story = Story()
    story.hunt(HUNTER, "1", ["a"], page_token(50))
    assert not token_goes_forward(story.record()).violations
    story.hunt(HUNTER, "1", ["b"], page_token(100))
    last = story.changes[-1]
    story.replace(-1, new={**last.new, "next_page_token": token, "page": page})
    [violation] = token_goes_forward(story.record()).violations
    assert reason in violation


def test_a_page_token_that_is_lost_in_the_middle_of_a_round_is_found() -> None:
    story = Story()
    story.hunt(HUNTER, "1", ["a"], page_token(50))
    row = story.rows["search_queue", "1"]
    story.claim(HUNTER, "search_queue", "1")
    story.begin()
    dropped = {"published_after": None, "published_before": None, "round_ended_at": row["published_before"]}
    story.change(HUNTER, "search_queue", "1", next_page_token=None, page=0, **dropped)
    assert not token_goes_forward(story.record()).violations
    story.replace(-1, new={**story.changes[-1].new, "round_ended_at": None})
    assert len(token_goes_forward(story.record()).violations) == 1


def test_a_page_token_without_a_search_is_found() -> None:
    story = Story()
    story.hunt(HUNTER, "1", ["a"], page_token(50))
    story.begin()
    story.change(HUNTER, "search_queue", "1", next_page_token=page_token(100), page=2)
    [violation] = token_goes_forward(story.record()).violations
    assert "without a search" in violation
