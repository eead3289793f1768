"""The messages of errors say what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from atlas.errors import KeysRejected, RingExhausted
from atlas.times import ahead


def test_rejected_keys_are_listed_with_the_command_that_lifts_them() -> None:
    text = str(KeysRejected("tracking", {"abc": "API key not valid", "def": "blocked.", "ghi": "API key not valid"}))
    assert "'tracking'" in text
    assert "abc, ghi: API key not valid; def: blocked. Check" in text
    assert "maia keys resume" in text


def test_an_exhausted_ring_says_until_when() -> None:
    until = datetime(2026, 11, 23, 8, tzinfo=UTC)
    error = RingExhausted("hunting", "search", until, ahead(until, until - timedelta(hours=5, minutes=30)))
    assert str(error).endswith("it resets at 2026-11-23T08:00:00Z (in 5.5 h)")
    assert (error.ring, error.bucket) == ("hunting", "search")
