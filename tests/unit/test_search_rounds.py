"""How a search round goes on after an answer: the next page, a new slice, its end, and what it gives up."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from atlas import policy
from atlas.adapters import search_rounds
from atlas.adapters.search_rounds import PageRead
from atlas.models.rows import TopicRow

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
AFTER = NOON - timedelta(hours=24)
MOST = 20


def topic(**changes: Any) -> TopicRow:
    """A claimed topic whose round is open, before its first page."""
    row = {
        "id": 1, "query_term": "cats", "next_page_token": None, "last_searched_at": None, "priority": 1,
        "source": "tag", "status": "active", "page": 0, "restarts": 0, "published_after": AFTER,
        "published_before": NOON, "round_before": None, "round_ended_at": None, "oldest_read": None,
        "slice_results": 0, "round_pages": 0, "round_new": 0, "rounds_without_new": 0, "empty_answers": 0,
        "lease_token": uuid.uuid4(),
    }  # fmt: skip
    assert not changes.keys() - row.keys()
    return cast("TopicRow", row | changes)


def hours(*before_noon: float) -> list[datetime]:
    return [NOON - timedelta(hours=number) for number in before_noon]


def read(
    row: TopicRow, token: str | None, *published: datetime, new: int = 0, results: int = 50
) -> search_rounds.RoundStep:
    return search_rounds.after_page(row, PageRead(token, results, published, new), most_pages=MOST)


MIDDLE = {"next_page_token": "A", "page": 1, "round_pages": 1, "slice_results": 50, "oldest_read": hours(2)[0]}


def test_the_next_page_keeps_the_window_and_remembers_how_far_it_read() -> None:
    step = read(topic(**MIDDLE, round_new=3, empty_answers=3), "B", *hours(2, 3, 4), new=2)
    assert (step.rest, step.gap) == (None, None)
    row = step.row
    assert (row["status"], row["next_page_token"], row["page"], row["round_pages"]) == ("active", "B", 2, 2)
    assert (row["published_after"], row["published_before"], row["round_before"]) == (AFTER, NOON, None)
    assert (row["slice_results"], row["round_new"], row["oldest_read"]) == (100, 5, hours(4)[0])
    assert row["empty_answers"] == 0


@pytest.mark.parametrize(
    ("changes", "token", "published", "new", "reason"),
    [
        (MIDDLE, "A", hours(3, 4), 2, "repeats the page token"),
        (MIDDLE, "B", hours(1, 2), 0, "nothing new"),
        (MIDDLE, "B", [], 0, "nothing new"),
        ({}, "B", [], 0, "nothing new"),
        ({"page": 1, "round_pages": MOST - 1, "next_page_token": "A"}, "B", hours(3), 0, "20 pages are read"),
        ({"slice_results": 450, "round_pages": MOST - 1}, None, hours(3), 0, "20 pages are read"),
        ({"slice_results": 450}, "B", [NOON], 1, "500 results and no older publish time"),
        ({"slice_results": 450}, "B", [], 1, "500 results and no older publish time"),
    ],
)
def test_a_round_that_cannot_go_on_ends_with_its_gap(
    changes: dict[str, Any], token: str | None, published: list[datetime], new: int, reason: str
) -> None:
    row = topic(**changes)
    step = read(row, token, *published, new=new)
    assert step.gap is not None
    assert reason in step.gap.reason
    reached = min([time for time in [row["oldest_read"], *published] if time], default=NOON)
    assert (step.gap.published_after, step.gap.published_before) == (AFTER, reached)
    assert step.gap.pages_read == row["round_pages"] + 1
    assert (step.row["status"], step.row["round_ended_at"], step.row["oldest_read"]) == ("waiting", NOON, None)
    assert step.rest == policy.topic_interval(step.row["rounds_without_new"])


@pytest.mark.parametrize(
    ("changes", "token", "published"),
    [
        (MIDDLE, None, hours(3)),
        (MIDDLE, None, []),
        ({}, None, []),
        (MIDDLE | {"oldest_read": AFTER}, "A", []),
        (MIDDLE | {"oldest_read": AFTER}, "B", hours(1)),
        (MIDDLE | {"slice_results": 450}, "B", [AFTER]),
        (MIDDLE | {"slice_results": 450}, None, [AFTER]),
    ],
    ids=["last", "empty last", "nothing found", "repeated", "nothing new", "ceiling", "ceiling at the end"],
)
def test_a_window_that_was_read_to_its_start_has_no_gap(
    changes: dict[str, Any], token: str | None, published: list[datetime]
) -> None:
    step = read(topic(**changes), token, *published)
    assert step.gap is None
    assert (step.row["status"], step.row["round_ended_at"]) == ("waiting", NOON)


@pytest.mark.parametrize(("slice_results", "token"), [(450, None), (450, "B"), (350, None)])
def test_a_full_list_is_followed_by_a_slice_that_begins_at_the_oldest_read(
    slice_results: int, token: str | None
) -> None:
    row = read(topic(**MIDDLE | {"slice_results": slice_results}), token, *hours(3, 4)).row
    assert (row["published_after"], row["published_before"], row["round_before"]) == (AFTER, *hours(4, 0))
    assert (row["status"], row["next_page_token"], row["page"], row["slice_results"]) == ("active", None, 0, 0)
    assert (row["round_pages"], row["oldest_read"]) == (2, hours(4)[0])
    again = read(topic(**row | {"slice_results": 450, "next_page_token": "C"}), None, *hours(5, 6)).row
    assert (again["published_before"], again["round_before"]) == tuple(hours(6, 0))
    assert read(again, None, *hours(7)).row["round_ended_at"] == NOON, "the whole round's window is read"


@pytest.mark.parametrize(("slice_results", "token", "before"), [(349, None, None), (350, "B", NOON)])
def test_a_list_that_is_not_full_begins_no_slice(slice_results: int, token: str | None, before: datetime) -> None:
    assert (
        read(topic(**MIDDLE | {"slice_results": slice_results}), token, *hours(3, 4)).row["published_before"] == before
    )


@pytest.mark.parametrize(
    ("published", "oldest"),
    [
        (hours(3, 4, 5), 5),
        (hours(3, 5, 4), 4),  # one old result among newer ones is not how far the page has read
        (hours(3, 23, 4, 5), 5),
        (hours(5, 4, 3), 4),
        (hours(-1, 3, 4, 30), 4),  # outside of the window
        # newer known videos and those outside of the window are no progress
        (hours(-1, 30), None),
        (hours(0.5, 1), None),
    ],
)
def test_what_is_out_of_order_or_out_of_the_window_does_not_count_as_read(
    published: list[datetime], oldest: float | None
) -> None:
    row = read(topic(**MIDDLE), "B", *published).row
    assert row["oldest_read"] == (None if oldest is None else hours(oldest)[0])
    assert row["status"] == ("waiting" if oldest is None else "active")


def test_known_videos_are_progress_as_long_as_they_are_older() -> None:
    """Windows overlap, so a page may hold known videos alone."""
    assert read(topic(), "A", *hours(1, 2)).row["next_page_token"] == "A"
    assert read(topic(**MIDDLE), "B", *hours(2, 2.5)).row["next_page_token"] == "B"


def test_page_tokens_in_a_circle_end() -> None:
    row, pages = topic(), 0
    while row["status"] == "active":
        row = read(row, "AB"[pages % 2], *hours(pages % 2 + 1), new=0).row
        pages += 1
    assert pages == 3


def test_an_answer_without_results_is_asked_again_and_then_the_round_ends_unread() -> None:
    row = topic(rounds_without_new=2, round_ended_at=AFTER, round_pages=0)
    for number in range(policy.ASKED_AGAIN):
        step = search_rounds.after_unreadable_page(row, 81)
        assert (step.rest, step.gap) == (policy.ASKED_AGAIN_AFTER, None)
        assert step.row == row | {"status": "waiting", "empty_answers": number + 1}
        row = step.row
    step = search_rounds.after_unreadable_page(row, 81)
    assert step.gap is not None
    assert (step.gap.published_after, step.gap.published_before) == (AFTER, NOON)
    assert "4 answers without readable results, of 81" in step.gap.reason
    assert (step.row["round_ended_at"], step.row["rounds_without_new"], step.row["empty_answers"]) == (AFTER, 2, 0)
    assert step.rest == policy.topic_interval(2), "its rest does not grow"


def test_an_unread_page_in_the_middle_gives_up_what_lies_behind_it() -> None:
    step = search_rounds.after_unreadable_page(
        topic(**MIDDLE, empty_answers=policy.ASKED_AGAIN, rounds_without_new=1), 81
    )
    assert step.gap is not None
    assert (step.gap.published_after, step.gap.published_before) == (AFTER, hours(2)[0])
    assert (step.row["round_ended_at"], step.row["rounds_without_new"]) == (NOON, 1)
