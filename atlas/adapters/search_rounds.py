"""How a search round goes on: from a topic's row and an answer to the row's next state. No I/O.

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

__all__ = [
    "Gap",
    "PageRead",
    "Step",
    "begin_slice",
    "end_round",
    "go_on",
    "page_read",
    "page_unread",
    "rested_part",
    "stop",
    "unread_part",
]

_SECOND = timedelta(seconds=1)  # YouTube's publish times are whole seconds


class PageRead(NamedTuple):
    """What one answer of search.list brought.

    Attributes:
        next_token: the token of the next page; None: the list ends here.
        results: how many results it listed, readable or not.
        published: the publish times of its videos, in YouTube's order.
        new: how many of its videos were not stored before.
    """

    next_token: str | None
    results: int
    published: Sequence[datetime]
    new: int


class Gap(NamedTuple):
    """A part of a window that will not be read in this round."""

    published_after: datetime
    published_before: datetime
    pages_read: int
    reason: str


class Step(NamedTuple):
    """What becomes of a topic after an answer.

    Attributes:
        row: its next state.
        rest: how long it is not due; None: it is claimable at once.
        gap: what the round gives up.
    """

    row: TopicRow
    rest: timedelta | None = None
    gap: Gap | None = None


def page_read(topic: TopicRow, page: PageRead, *, most_pages: int) -> Step:
    """Decide what follows a page: the next page, a new slice, or the end of the round.

    Args:
        topic: as it was claimed, with an open window.
        page: what was answered.
        most_pages: how many pages a round may read.
    """
    after, before, oldest = topic["published_after"], topic["published_before"], topic["oldest_read"]
    if after is None or before is None:
        raise ValueError(f"the round of topic {topic['id']} has no window")
    front = _front(page.published, after, before)
    progress = page.new > 0 or (front is not None and (oldest is None or front < oldest))
    if progress and front is not None:
        oldest = front
    row = go_on(topic, page.next_token, results=page.results, new=page.new)
    row["oldest_read"] = oldest
    results, more = row["slice_results"], page.next_token is not None
    if more and page.next_token == topic["next_page_token"]:
        return stop(row, "YouTube repeats the page token")
    if more and not progress:
        return stop(row, "a page brought nothing new")
    if results >= policy.SEARCH_CEILING or (not more and results >= policy.SEARCH_CEILING_REACHED):
        if _read_to_start(row):
            return stop(row)
        if oldest is None or oldest > before - _SECOND:
            return stop(row, f"YouTube lists {results} results and no older publish time to go on from")
        row = begin_slice(row)
    elif not more:
        return stop(row)
    if row["round_pages"] >= most_pages:
        return stop(row, f"HUNTER_MAX_PAGES_PER_ROUND: {row['round_pages']} pages are read")
    return Step(row)


def page_unread(topic: TopicRow, total: int) -> Step:
    """Decide what follows an answer without readable results although there are some.

    The same page is asked again after a short time. After `policy.ASKED_AGAIN` times the round ends: as unread where
    it had read nothing, so that the next round begins where this one did. The topic's rest grows by neither.

    Args:
        topic: as it was claimed, with an open window.
        total: how many results the answer claims.
    """
    row = topic.copy()
    row["empty_answers"] += 1
    row["status"] = TopicStatus.WAITING
    if row["empty_answers"] <= policy.ASKED_AGAIN:
        return Step(row, policy.ASKED_AGAIN_AFTER)
    reason = f"{row['empty_answers']} answers without readable results, of {total} that YouTube counts"
    read_any = topic["oldest_read"] is not None
    if not read_any:
        reason += "; the next round begins with this window"
    ended = end_round(topic, read=read_any, barren_rounds=topic["barren_rounds"])
    return Step(ended, policy.topic_interval(ended["barren_rounds"]), unread_part(topic, reason))


def go_on(topic: TopicRow, next_token: str | None, *, results: int, new: int) -> TopicRow:
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


def end_round(topic: TopicRow, *, read: bool = True, barren_rounds: int | None = None) -> TopicRow:
    """Return the topic at rest.

    Args:
        topic: in its round.
        read: whether the window counts as read; if not, the next round begins where this one did.
        barren_rounds: how many rounds in a row brought nothing new; None: counted by what this one brought.
    """
    row = topic.copy()
    if read:
        row["round_ended_at"] = topic["round_before"] or topic["published_before"] or topic["round_ended_at"]
    if barren_rounds is None:
        barren_rounds = 0 if topic["round_new"] else topic["barren_rounds"] + 1
    row["barren_rounds"] = barren_rounds
    row["status"] = TopicStatus.WAITING
    row["next_page_token"] = row["published_after"] = row["published_before"] = None
    row["round_before"] = row["oldest_read"] = None
    row["page"] = row["restarts"] = row["slice_results"] = row["round_pages"] = row["round_new"] = 0
    row["empty_answers"] = 0
    return row


def unread_part(topic: TopicRow, reason: str) -> Gap | None:
    """Return what the round has not read of its window; None if that is nothing."""
    after, before = topic["published_after"], topic["oldest_read"] or topic["published_before"]
    if after is None or before is None or _read_to_start(topic):
        return None
    return Gap(after, before, max(topic["round_pages"], topic["page"]), reason)


def rested_part(topic: TopicRow) -> Gap | None:
    """Return what lies between the last round and the window of this one; None after its first page, or if nothing."""
    ended, after = topic["round_ended_at"], topic["published_after"]
    if topic["round_pages"] or topic["page"] or ended is None or after is None or ended >= after:
        return None
    return Gap(ended, after, 0, "the topic rested for longer than the window")


def stop(topic: TopicRow, reason: str | None = None) -> Step:
    """End the round: what it has not read is given up for a reason, or read through where there is none."""
    ended = end_round(topic)
    gap = unread_part(topic, reason) if reason is not None else None
    return Step(ended, policy.topic_interval(ended["barren_rounds"]), gap)


def _read_to_start(topic: TopicRow) -> bool:
    after, oldest = topic["published_after"], topic["oldest_read"]
    return after is not None and oldest is not None and oldest <= after.replace(microsecond=0)


def _front(published: Sequence[datetime], after: datetime, before: datetime) -> datetime | None:
    """Return how far back a page has read: its oldest publish time inside the window.

    On a page that is not newest first, one old result may stand among newer ones, so it is the second oldest there.
    """
    after, before = after.replace(microsecond=0), before.replace(microsecond=0)  # as they were asked
    inside = [time for time in published if after <= time <= before]
    if not inside:
        return None
    if all(earlier >= later for earlier, later in pairwise(inside)):
        return inside[-1]
    return sorted(inside)[1]
