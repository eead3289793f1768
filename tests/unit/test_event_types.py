"""Event types: each is defined, has a message template, is emitted as defined, and agrees with the outcomes of runs."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import atlas
import maia
from atlas.adapters.search_rounds import Gap
from atlas.event_types import EVENT_TYPES, FAILED_OUTCOMES, EventType, Level, level_of, subject_of
from atlas.events import run_finished
from atlas.notifier.templates import event_message, render
from maia.runtime.exitcodes import ExitCode, Outcome

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
EXAMPLES: dict[EventType, tuple[dict[str, Any], str, str]] = {  # payload, line, beginning of the details
    EventType.RUN_STARTED: ({"agent": "hunter", "shard": "0/4"}, "maia hunter 0/4 started", ""),
    EventType.RUN_FINISHED: (
        {"agent": "hunter", "shard": None, "outcome": "failure", "exit_code": 1, "error": "all 3 videos failed"},
        "maia hunter: failure (1)", "all 3 videos failed",
    ),
    EventType.CHURN: (
        {"agent": "tracker", "reason": "too many requests"}, "maia tracker met a rate limit", "too many requests",
    ),
    EventType.QUOTA_SPENT: (
        {"fingerprint": "a1b2", "bucket": "search", "project": None, "limit": 10_000, "until": NOW},
        "key a1b2: the day's 'search' quota is spent",
        "It resets at 2026-11-22T12:30:00Z. YouTube names a limit of 10,000.",
    ),
    EventType.KEY_SUSPENDED: (
        {"fingerprint": "a1b2", "reason": "API_KEY_INVALID", "until": NOW},
        "key a1b2 is suspended: API_KEY_INVALID", "Until 2026-11-22T12:30:00Z, or until the key pool changes.",
    ),
    EventType.SEARCH_GAP: (
        {
            "topic": 7, "query_term": "guitar", "published_after": NOW, "published_before": None, "pages_read": 2,
            "reason": "page token older than 12 h",
        },
        "a gap in the search for 'guitar': page token older than 12 h",
        "Videos published from 2026-11-22T12:30:00Z to an unknown time were not read in this round, which read 2",
    ),
    EventType.VIDEOS_RETIRED: (
        {"ids": [f"v{n}" for n in range(12)]},
        "12 video(s) are gone from YouTube", "v0 v1 v2 v3 v4 v5 v6 v7 v8 v9 and 2 more",
    ),
    EventType.BREAKOUT: (
        {"video_id": "v1", "score": 12.34, "views": 99_000, "views_per_hour": 12345.6, "usual_per_hour": 500.4},
        "video v1 gains 12,346 views an hour",
        "99,000 views: https://www.youtube.com/watch?v=v1",
    ),
    EventType.COUNTS_FROZEN: (
        {"since": NOW, "videos": 64, "channels": 12},
        "YouTube's counts are frozen since 2026-11-22T12:30:00Z", "64 snapshots of growing videos, of 12 channels",
    ),
    EventType.COUNTS_MOVING: (
        {"since": NOW, "until": NOW.replace(hour=14)},
        "YouTube's counts change again after 2.0 h", "They were frozen since 2026-11-22T12:30:00Z.",
    ),
    EventType.ARCHIVE_FAILED: (
        {"failed": 3, "error": None}, "3 record(s) are not archived yet", "",
    ),
    EventType.DIGEST: ({"since": NOW}, "the daily digest was sent", ""),
}  # fmt: skip


@pytest.mark.parametrize("event", EventType)
def test_every_type_has_a_message_that_names_its_subject(event: EventType) -> None:
    payload, line, beginning = EXAMPLES[event]
    spec = EVENT_TYPES[event]
    assert set(payload) == set(spec.payload)
    assert set(spec.subject) <= set(spec.payload)
    rendered, details = render(event, payload)
    assert rendered == line
    assert details.startswith(beginning)
    assert bool(details) == bool(beginning)
    assert all(word in rendered for word in subject_of(event, payload).split())


@pytest.mark.parametrize("outcome", Outcome)
def test_only_a_run_that_failed_is_an_error_among_those_that_finished(outcome: Outcome) -> None:
    payload = run_finished("hunter", "0/4", outcome, ExitCode.CONFIG, "x")
    assert payload == {"agent": "hunter", "shard": "0/4", "outcome": str(outcome), "exit_code": 78, "error": "x"}
    assert (type(payload["outcome"]), type(payload["exit_code"])) == (str, int)
    failed = outcome in {Outcome.FAILURE, Outcome.UNAVAILABLE, Outcome.CONFIG}
    assert level_of(EventType.RUN_FINISHED, payload) is (Level.ERROR if failed else Level.INFO)
    assert failed == (outcome in FAILED_OUTCOMES)


def texts(event: EventType, rendered: list[tuple[str, str, int]], **options: Any) -> tuple[str, str]:
    message = event_message(event, rendered, **options)
    return message.title, message.body


def test_one_thing_is_a_message_of_its_own_and_several_share_one() -> None:
    assert texts(EventType.CHURN, [("a line", "details", 0)]) == ("a line", "details")
    assert texts(EventType.CHURN, [("a line", "", 1234)], sender="maia hunter 0/4") == (
        "a line", "(and 1,234 more of the same since the last message)\nSent by maia hunter 0/4.",
    )  # fmt: skip
    started = [("maia hunter 0/4 started", "", 0)]
    assert texts(EventType.RUN_STARTED, started, sender="maia hunter 0/4")[1] == ""
    assert texts(EventType.KEY_SUSPENDED, [(f"video v{n} gains", "many\nlines", n) for n in range(2)], unlisted=5) == (
        "7 events: key suspended",
        "video v0 gains: many lines\n"
        "video v1 gains: many lines (and 1 more of the same since the last message)\nAnd 5 more.",
    )
    title, body = texts(EventType.BREAKOUT, [(f"line {n}", "", 0) for n in range(1000)])
    assert title == "1,000 events: breakout"
    assert body.splitlines()[-2:] == ["line 19", "And 980 more."]


def test_every_event_is_emitted_with_the_payload_of_its_type() -> None:
    emitted = 0
    for package in (atlas, maia):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(
                        func=ast.Attribute(value=ast.Name(id="events"), attr="emit"), args=[ast.Attribute(attr=name)]
                    ):
                        emitted += 1
                        given = {word.arg for word in node.keywords} - {"store"}
                        if None in given:  # spread over a gap of a search
                            given = {"topic", "query_term", *Gap._fields}
                        assert given == set(EVENT_TYPES[EventType[name]].payload), f"{path.name}:{node.lineno}"
    assert emitted >= 5
