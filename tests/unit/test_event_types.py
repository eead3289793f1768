"""The words of events: each is defined, worded, emitted as it is defined, and agrees with the outcomes of runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import atlas
import maia
from atlas.event_types import FAILED, VOCABULARY, EventType, Level, level_of, subject_of
from atlas.events import finished
from atlas.notifier.messages import Message
from atlas.notifier.templates import message, worded
from maia.runtime.exitcodes import ExitCode, Outcome

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
EXAMPLES: dict[EventType, dict[str, Any]] = {
    EventType.RUN_STARTED: {"agent": "hunter", "shard": "0/4"},
    EventType.RUN_FINISHED: {
        "agent": "hunter", "shard": "0/4", "outcome": "failure", "exit_code": 1, "error": "all 3 videos failed",
    },
    EventType.CHURN: {"agent": "tracker", "reason": "YouTube says too fast"},
    EventType.QUOTA_SPENT: {
        "fingerprint": "a1b2", "bucket": "search", "project": None, "limit": 10_000, "until": NOW,
    },
    EventType.KEY_SUSPENDED: {"fingerprint": "a1b2", "reason": "API_KEY_INVALID", "until": NOW},
    EventType.SEARCH_GAP: {
        "topic": 7, "query_term": "guitar", "published_after": NOW, "published_before": None, "pages_read": 2,
        "reason": "page token older than 12 h",
    },
    EventType.VIDEOS_RETIRED: {"ids": [f"v{n}" for n in range(12)]},
    EventType.BREAKOUT: {"video_id": "v1", "views_per_hour": 12345.6, "views": 99_000},
    EventType.COUNTS_FROZEN: {"since": NOW, "videos": 64, "channels": 12},
    EventType.COUNTS_MOVING: {"since": NOW, "until": NOW.replace(hour=14)},
    EventType.ARCHIVE_FAILED: {"failed": 3, "error": "the Hub does not answer"},
}  # fmt: skip


@pytest.mark.parametrize("event", EventType)
def test_every_type_has_a_level_a_payload_and_a_subject_within_it(event: EventType) -> None:
    kind = VOCABULARY[event]
    assert set(EXAMPLES[event]) == set(kind.payload)
    assert set(kind.subject) <= set(kind.payload)


@pytest.mark.parametrize("event", EventType)
def test_every_type_is_worded_in_one_line_that_says_what_it_is_about(event: EventType) -> None:
    line, details = worded(event, EXAMPLES[event])
    assert "\n" not in line
    for word in subject_of(event, EXAMPLES[event]).split():
        assert word in line
    assert "None" not in line + details


def test_what_a_message_says() -> None:
    assert worded(EventType.RUN_FINISHED, EXAMPLES[EventType.RUN_FINISHED]) == (
        "maia hunter 0/4: failure (1)", "all 3 videos failed",
    )  # fmt: skip
    assert worded(EventType.QUOTA_SPENT, EXAMPLES[EventType.QUOTA_SPENT]) == (
        "key a1b2: the day's 'search' quota is spent",
        "It is open again at 2026-11-22T12:30:00Z. YouTube names a limit of 10,000.",
    )
    assert worded(EventType.BREAKOUT, EXAMPLES[EventType.BREAKOUT]) == (
        "video v1 gains 12,346 views an hour", "99,000 views: https://www.youtube.com/watch?v=v1",
    )  # fmt: skip
    assert worded(EventType.COUNTS_FROZEN, EXAMPLES[EventType.COUNTS_FROZEN])[0] == (
        "YouTube's counts stand still since 2026-11-22T12:30:00Z"
    )
    assert worded(EventType.COUNTS_MOVING, EXAMPLES[EventType.COUNTS_MOVING])[0] == (
        "YouTube's counts move again after 2.0 h"
    )
    assert worded(EventType.VIDEOS_RETIRED, EXAMPLES[EventType.VIDEOS_RETIRED])[1].endswith("v9 and 2 more")


def test_only_a_run_that_failed_is_an_error_among_those_that_finished() -> None:
    levels = {
        outcome: level_of(EventType.RUN_FINISHED, finished("hunter", None, outcome, 0, None)) for outcome in Outcome
    }
    failed = {Outcome.FAILURE, Outcome.UNAVAILABLE, Outcome.CONFIG}
    assert {outcome for outcome, level in levels.items() if level is Level.ERROR} == failed
    assert {outcome for outcome, level in levels.items() if level is Level.INFO} == set(Outcome) - failed
    assert {str(outcome) for outcome in failed} == FAILED


def test_the_payload_of_a_finished_run_is_plain() -> None:
    payload = finished("hunter", "0/4", Outcome.CONFIG, ExitCode.CONFIG, "x")
    assert payload == {"agent": "hunter", "shard": "0/4", "outcome": "config", "exit_code": 78, "error": "x"}
    assert (type(payload["outcome"]), type(payload["exit_code"])) == (str, int)
    assert set(payload) == set(VOCABULARY[EventType.RUN_FINISHED].payload)


# ── messages ────────────────────────────────────────────────────────────────────────────────────────────────────────


def said(text: Message) -> tuple[str, str]:
    """Return a message as a service without limits shows it."""
    return text.title, text.body


def test_one_thing_is_a_message_of_its_own() -> None:
    assert said(message(EventType.CHURN, [("a line", "details", 0)])) == ("a line", "details")
    assert said(message(EventType.CHURN, [("a line", "", 1234)], who="maia hunter 0/4")) == (
        "a line", "(and 1,234 more of the same since the last message)\nTold by maia hunter 0/4.",
    )  # fmt: skip
    assert message(EventType.RUN_STARTED, [("maia hunter 0/4 has begun", "", 0)], who="maia hunter 0/4").body == ""


def test_several_things_of_a_type_share_a_message_that_is_not_without_end() -> None:
    told = [(f"video v{n} gains", "many\nlines", n) for n in range(2)]
    assert said(message(EventType.KEY_SUSPENDED, told, unnamed=5)) == (
        "7 events: key suspended",
        "video v0 gains: many lines\n"
        "video v1 gains: many lines (and 1 more of the same since the last message)\nAnd 5 more.",
    )
    title, body = said(message(EventType.BREAKOUT, [(f"line {n}", "", 0) for n in range(1000)]))
    assert title == "1,000 events: breakout"
    assert body.splitlines()[-2:] == ["line 19", "And 980 more."]


# ── who emits ───────────────────────────────────────────────────────────────────────────────────────────────────────


def emitted() -> Iterator[tuple[str, str, set[str]]]:
    """Where an event is emitted by its name, which, and with what."""
    for package in (atlas, maia):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "emit":
                    owner = node.func.value
                    if isinstance(owner, ast.Name) and owner.id == "events":
                        (event,) = node.args
                        assert isinstance(event, ast.Attribute)
                        given = {str(word.arg) for word in node.keywords} - {"store"}
                        yield f"{path.name}:{node.lineno}", event.attr, given


def test_whoever_emits_gives_what_the_vocabulary_names() -> None:
    found = list(emitted())
    assert len(found) >= 5
    for where, name, given in found:
        assert given == set(VOCABULARY[EventType[name]].payload), where
