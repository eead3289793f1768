"""Searches: what was answered is in the database or was released, once, and page tokens go forward."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from atlas.policy import ASKED_AGAIN
from harness.chaos.environment import INDEX_LAG
from harness.chaos.record import Call, Change, Checked, Record

_OFFSET_BYTES = 3  # of a page token of the sandbox: where the page begins


@dataclass(frozen=True)
class Advance:
    """A topic's position was written after a search; ``call`` is its answer, if there is one."""

    change: Change
    call: Call | None

    def __str__(self) -> str:
        return f"'{self.change.new['query_term']}', {self.change}"


def advances(record: Record) -> Iterator[Advance]:
    """Yield every advance of a topic, with its call: the last good one for its page since the process's claim."""
    claimed: dict[str, Change] = {}
    for change in record.of("search_queue"):
        if change.claims:
            claimed[change.key] = change
        elif change.op == "update" and change.new["searches"] > change.old["searches"]:
            claim = claimed.get(change.key)
            yield Advance(change, _answer(record, claim, change) if claim is not None else None)


def _answer(record: Record, claim: Change, until: Change) -> Call | None:
    """Return the last good answer about a topic between its claim and a later change of it."""
    page = until.old["next_page_token"] or ""
    found = None
    for call in record.calls_of.get(claim.who, ()):
        if (
            call.good
            and call.endpoint == "search"
            and claim.at <= call.at <= until.at
            and call.params.get("q") == until.old["query_term"]
            and call.params.get("pageToken", "") == page
        ):
            found = call
    return found


def search_stored(record: Record) -> Checked:
    """Every answered search is completely in the database, or was released.

    Stored: a topic goes past a page only by the answer about that page, and in the same transaction or before it every
    video of that answer was written to `videos`; at the end it is still there, or its deletion is on record. A topic
    that ends its round without an answer has stored no results (YouTube refused the query or, twice, the page token).

    Released: an answer whose topic was not advanced has left the topic where it was. That is lawful if the process was
    killed, lost its database or was overtaken (its lease had passed). A process that ended by itself, with 0 or for a
    rate limit, and could reach its database, had to store every answer.
    """
    violations: list[str] = []
    stored: set[int] = set()
    looked_at = 0
    for advance in advances(record):
        looked_at += 1
        if advance.call is not None:
            stored.add(advance.call.number)
        violations += _unstored(record, advance)
    for change, claim in _released(record):
        looked_at += 1
        call = _answer(record, claim, change)
        process = record.process_of.get(claim.who)
        if call is None or call.number in stored or process is None:
            continue
        if process.code in (0, 75) and process.killed is None and not record.struck(process):
            violations.append(f"{call} about '{change.old['query_term']}' was answered, and given up without a reason")
    return Checked("every answered search is stored or released", looked_at, violations)


def _unstored(record: Record, advance: Advance) -> Iterator[str]:
    change, call = advance.change, advance.call
    results = change.new["results"] - change.old["results"]
    if call is None:
        if results or change.new["next_page_token"] is not None:
            yield f"{advance}: {results} results were written without an answer"
        return
    if results != len(set(call.ids)):
        yield f"{advance}: {results} results were written, {call} had {len(set(call.ids))}"
    missing: dict[str, list[str]] = {"not stored by then": [], "stored and lost": []}
    for id_ in dict.fromkeys(call.ids):
        history = record.rows.get(("videos", id_), ())
        if not any(other.op == "insert" and other.number < change.number for other in history):
            missing["not stored by then"].append(id_)
        elif id_ not in record.videos and history[-1].op != "delete":
            missing["stored and lost"].append(id_)
    for how, ids in missing.items():
        if ids:
            yield f"{advance}: of the {len(set(call.ids))} videos of {call} {len(ids)} were {how}, such as {ids[0]}"


def _released(record: Record) -> Iterator[tuple[Change, Change]]:
    """Yield each release of a topic by its holder without an advance, and the claim."""
    claimed: dict[str, Change] = {}
    for change in record.of("search_queue"):
        if change.claims:
            claimed[change.key] = change
        elif change.ends_lease and change.new["searches"] == change.old["searches"]:
            claim = claimed.get(change.key)
            restarted = change.new["restarts"] > change.old["restarts"]
            if claim is not None and claim.who == change.who and not restarted:
                yield change, claim


def page_stored_once(record: Record) -> Checked:
    """No page of a search is stored twice, and no two rounds of a topic look at the same time but for the overlap.

    A page is known by its query, its window and its token. It is read again only where the page token was refused and
    the slice begins again (`restarts` counts that), where its answer held no result (`empty_answers` counts that), and
    asked again without being stored where its claim was released. A round's window begins where the last one ended,
    less the overlap, or later; its slices have one beginning and go back in time. The window of a round that YouTube
    refused in its midst counts as unread, and is looked at again.
    """
    violations: list[str] = []
    pages: dict[tuple[str, str, str, str, int], Change] = {}
    windows: dict[str, _Windows] = {}
    looked_at = 0
    for advance in advances(record):
        change, call = advance.change, advance.call
        if call is None or _unread(advance):
            if change.new["published_before"] is None and not change.changes("round_ended_at"):
                windows.pop(change.key, None)
            continue
        looked_at += 1
        window = (call.params.get("publishedAfter", ""), call.params.get("publishedBefore", ""))
        page = (change.key, *window, call.params.get("pageToken", ""), change.old["restarts"])
        if page in pages:
            violations.append(f"{advance}: the page was stored already, by {pages[page]}")
        pages[page] = change
        asked = _Windows(*map(datetime.fromisoformat, (window[0], window[1], window[1])))
        before = windows.get(change.key)
        if before is not None and asked.begin == before.begin and asked.end <= before.end:
            asked = dataclasses.replace(asked, round_end=before.round_end)  # the same round, maybe another slice
        elif before is not None and asked.begin < before.round_end - INDEX_LAG:
            violations.append(f"{advance}: its window {'/'.join(window)} overlaps that of the last round, {before}")
        windows[change.key] = asked
    return Checked("no search page is stored twice", looked_at, violations)


@dataclass(frozen=True)
class _Windows:
    """The window of a slice, and the end of its round's window."""

    begin: datetime
    end: datetime
    round_end: datetime

    def __str__(self) -> str:
        return f"{self.begin:%Y-%m-%dT%H:%M:%SZ}/{self.round_end:%Y-%m-%dT%H:%M:%SZ}"


def _unread(advance: Advance) -> bool:
    """Return whether the answer had no result although there are some: its page counts as not read."""
    change, call = advance.change, advance.call
    if call is None or call.ids:
        return False
    before, now = int(change.old["empty_answers"]), int(change.new["empty_answers"])
    return now > before or before == ASKED_AGAIN


def token_goes_forward(record: Record) -> Checked:
    """Every page token leads further than the one before it.

    A topic gets a page token only by an advance: one that begins behind the page that was read, with the number of
    pages one higher and the window as it was. It loses it only by an advance, with its window (up to which it then
    counts as read), or for another slice of that window, which begins where the round has read to.
    """
    violations: list[str] = []
    looked_at = 0
    for change in record.of("search_queue"):
        if change.op != "update" or not change.changes("next_page_token", "page"):
            continue
        looked_at += 1
        reason = _forward(change) if change.new["next_page_token"] is not None else _ended(change)
        if reason:
            violations.append(f"'{change.new['query_term']}', {change}: {reason}")
    return Checked("every page token goes forward", looked_at, violations)


def _forward(change: Change) -> str | None:
    old, new = change.old, change.new
    if new["searches"] != old["searches"] + 1:
        return "it got a page token without a search"
    try:
        begins, began = _offset(new["next_page_token"]), _offset(old["next_page_token"])
    except ValueError:
        return "its page token cannot be read"
    if begins <= began:
        return f"its page token goes from {began} to {begins}"
    if new["page"] != old["page"] + 1:
        return f"it goes from page {old['page']} to page {new['page']}"
    if old["page"] and change.changes("published_after", "published_before"):
        return "its window changed in the middle of a round"
    return None


def _ended(change: Change) -> str | None:
    old, new = change.old, change.new
    read = new["searches"] == old["searches"] + 1
    ends = (old["round_before"] or old["published_before"] or old["round_ended_at"], None)
    dropped = (new["round_ended_at"], new["published_before"]) == ends
    begins = (old["published_after"], old["oldest_read"] or old["published_before"])
    again = (new["published_after"], new["published_before"]) == begins
    if new["page"] == 0 and (read or dropped or again):
        return None
    return "it lost its page token in the middle of a round"


def _offset(token: str | None) -> int:
    """Return where a page begins, as the sandbox writes it into the token. Raises ValueError."""
    if token is None:
        return 0
    return int.from_bytes(base64.b64decode(token, altchars=b"-_", validate=True)[:_OFFSET_BYTES], "big")
