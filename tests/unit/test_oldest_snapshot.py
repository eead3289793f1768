"""What holds the oldest snapshot, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from atlas.adapters.oldest_snapshot import Holder
from atlas.commands.status import remedy

SINCE = datetime(2026, 11, 22, 12, tzinfo=UTC)
SESSION = Holder("session", "4711", SINCE, 125.4, 12, "ana", "psql", "10.0.0.5", "idle in transaction")
SLOT = Holder("replication slot", "stand'by", None, None, 250_000, None, None, None, "inactive")
PREPARED = Holder("prepared transaction", "order 66", SINCE, 7_200.0, 3, "ana", None, None, "prepared")


@pytest.mark.parametrize(
    ("holder", "words", "statement"),
    [
        (
            SESSION,
            "held for 125 s by process 4711, user ana, application psql, client 10.0.0.5, idle in transaction",
            "SELECT pg_terminate_backend(4711)",
        ),
        (
            SLOT,
            "held for 250,000 transactions by replication slot stand'by, inactive",
            "SELECT pg_drop_replication_slot('stand''by')",
        ),
        (
            PREPARED,
            "held for 7,200 s by prepared transaction order 66, user ana, prepared",
            "ROLLBACK PREPARED 'order 66'",
        ),
    ],
)
def test_a_holder_is_named_with_what_ends_it(holder: Holder, words: str, statement: str) -> None:
    assert (str(holder), remedy(holder), holder.long) == (words, f"To end it: {statement}", True)


def test_what_is_short_is_not_warned_of() -> None:
    assert not replace(SESSION, seconds=59.0).long
    assert not replace(SLOT, transactions=99_000).long
