"""Compute a topic's next state from its row and an answer of search.list. No I/O.

A round reads one window of a topic, newest results first, in one or more **slices**. YouTube lists about 500 results
for one query, so a full slice is followed by another one whose `publishedBefore` is the oldest publish time read.
docs/architecture.md describes the rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from atlas import policy
from atlas.models.rows import TopicRow, TopicStatus

_SECOND = timedelta(seconds=1)  # YouTube's publish times are whole seconds


class PageRead(NamedTuple):
    """What one answer of search.list contained."""

    next_token: str | None
    results: int
    """Listed, readable or not."""
    published: Sequence[datetime]
    """The publish times of its videos, in YouTube's order."""
    new: int
    """Videos that were not stored before."""


class Gap(NamedTuple):
    """A part of a window that will not be read in this round."""

    published_after: datetime
    published_before: datetime
    pages_read: int
    reason: str


class RoundStep(NamedTuple):
    """The result of an answer: the topic's next state, its rest (None: it stays active), the part that is given up."""

    row: TopicRow
    rest: timedelta | None = None
    gap: Gap | None = None


def after_page(topic: TopicRow, page: PageRead, *, most_pages: int) -> RoundStep:
    """Decide what follows a page of a claimed topic: the next page, a new slice, or the end of the round."""
    after, before, oldest = topic["published_after"], topic["published_before"], topic["oldest_read"]
    if after is None or before is None:
        raise ValueError(f"the round of topic {topic['id']} has no window")
    page_oldest = _oldest_time(page.published, after, before)
    progress = page.new > 0 or (page_oldest is not None and (oldest is None or page_oldest < oldest))
    if progress and page_oldest is not None:
        oldest = page_oldest
    row = next_page(topic, page.next_token, results=page.results, new=page.new)
    row["oldest_read"] = oldest
    results, more = row["slice_results"], page.next_token is not None
    if more and page.next_token == topic["next_page_token"]:
        return finish_round(row, "YouTube repeats the page token")
    if more and not progress:
        return finish_round(row, "a page brought nothing new")
    if results >= policy.SEARCH_CEILING or (not more and results >= policy.SEARCH_CEILING_REACHED):
        if _read_to_start(row):
            return finish_round(row)
        if oldest is None or oldest > before - _SECOND:
            return finish_round(row, f"YouTube lists {results} results and no older publish time to go on from")
        row = begin_slice(row)
    elif not more:
        return finish_round(row)
    if row["round_pages"] >= most_pages:
        return finish_round(row, f"HUNTER_MAX_PAGES_PER_ROUND: {row['round_pages']} pages are read")
    return RoundStep(row)


def after_unreadable_page(topic: TopicRow, total: int) -> RoundStep:
    """Decide what follows an answer without readable results, though YouTube counts some.

    The same page is asked again after a short time. After `policy.ASKED_AGAIN` times the round ends: as unread where
    it had read nothing, so that the next round begins where this one did. The topic's rest grows by neither.
    """
    row = topic.copy()
    row["empty_answers"] += 1
    row["status"] = TopicStatus.WAITING
    if row["empty_answers"] <= policy.ASKED_AGAIN:
        return RoundStep(row, policy.ASKED_AGAIN_AFTER)
    reason = f"{row['empty_answers']} answers without readable results, of {total} that YouTube counts"
    read_any = topic["oldest_read"] is not None
    if not read_any:
        reason += "; the next round begins with this window"
    ended = topic_at_rest(topic, read=read_any, rounds_without_new=topic["rounds_without_new"])
    return RoundStep(ended, policy.topic_interval(ended["rounds_without_new"]), unread_gap(topic, reason))


def next_page(topic: TopicRow, next_token: str | None, *, results: int, new: int) -> TopicRow:
    """Return the topic in the middle of its round, one page further."""
    row = topic.copy()
    row["status"] = TopicStatus.ACTIVE
    row["next_page_token"] = next_token
    row["page"] += 1
    row["round_pages"] += 1
    row["slice_results"] += results
    row["round_new"] += new
    row["empty_answers"] = 0
    return row


def begin_slice(topic: TopicRow) -> TopicRow:
    """Return the topic at the first page of a slice that begins at the oldest publish time read, inclusive.

    Videos of that second are listed again; they are known and cost nothing.
    """
    row = topic.copy()
    row["round_before"] = topic["round_before"] or topic["published_before"]
    row["published_before"] = topic["oldest_read"] or topic["published_before"]
    row["next_page_token"] = None
    row["page"] = row["slice_results"] = 0
    return row


def topic_at_rest(topic: TopicRow, *, read: bool = True, rounds_without_new: int | None = None) -> TopicRow:
    """Return the topic at rest. If its window was not read, the next round begins where this one did.

    ``rounds_without_new``: how many rounds in a row brought nothing new; None: counted by what this one brought.
    """
    row = topic.copy()
    if read:
        row["round_ended_at"] = topic["round_before"] or topic["published_before"] or topic["round_ended_at"]
    if rounds_without_new is None:
        rounds_without_new = 0 if topic["round_new"] else topic["rounds_without_new"] + 1
    row["rounds_without_new"] = rounds_without_new
    row["status"] = TopicStatus.WAITING
    row["next_page_token"] = row["published_after"] = row["published_before"] = None
    row["round_before"] = row["oldest_read"] = None
    row["page"] = row["restarts"] = row["slice_results"] = row["round_pages"] = row["round_new"] = 0
    row["empty_answers"] = 0
    return row


def unread_gap(topic: TopicRow, reason: str) -> Gap | None:
    """Return the part of the window that the round has not read; None if it has read all."""
    after, before = topic["published_after"], topic["oldest_read"] or topic["published_before"]
    if after is None or before is None or _read_to_start(topic):
        return None
    return Gap(after, before, max(topic["round_pages"], topic["page"]), reason)


def gap_before_window(topic: TopicRow) -> Gap | None:
    """Return the gap between the last round and this one's window; None if there is none, or after the first page."""
    ended, after = topic["round_ended_at"], topic["published_after"]
    if topic["round_pages"] or topic["page"] or ended is None or after is None or ended >= after:
        return None
    return Gap(ended, after, 0, "the topic rested for longer than the window")


def finish_round(topic: TopicRow, reason: str | None = None) -> RoundStep:
    """End the round. With a reason, its unread part is given up; without one, the window was read to its end."""
    ended = topic_at_rest(topic)
    gap = unread_gap(topic, reason) if reason is not None else None
    return RoundStep(ended, policy.topic_interval(ended["rounds_without_new"]), gap)


def _read_to_start(topic: TopicRow) -> bool:
    after, oldest = topic["published_after"], topic["oldest_read"]
    return after is not None and oldest is not None and oldest <= after.replace(microsecond=0)


def _oldest_time(published: Sequence[datetime], after: datetime, before: datetime) -> datetime | None:
    """Return the oldest publish time of a page inside the window: how far back it has read.

    On a page that is not newest first, one old result may be among newer ones: return the second oldest.
    """
    after, before = after.replace(microsecond=0), before.replace(microsecond=0)  # as they were asked
    inside = [time for time in published if after <= time <= before]
    if not inside:
        return None
    if all(earlier >= later for earlier, later in pairwise(inside)):
        return inside[-1]
    return sorted(inside)[1]
