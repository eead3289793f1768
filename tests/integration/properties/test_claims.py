"""Claims under any order of events, on a real PostgreSQL with several connections."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from ...support.claim_machine import Shards
from ...support.claim_shards import Fleet

pytestmark = pytest.mark.integration


def test_no_order_of_events_lets_two_hold_one_row_or_a_late_shard_write(dsn: str) -> None:
    """Seen to catch, each by itself: a claim that takes what is leased, waits for a locked row (no SKIP LOCKED), locks
    none, takes the newest first or a zone out of its order, or leaves what has expired; a page token, a video's update,
    a restart or a release that is written without a look at the lease's token; a release that leaves the lease's end; a
    write that is rolled back and taken for done; one that wakes a paused query; a page token of more than 12 h.
    """
    Shards.fleet = Fleet(dsn)
    try:
        run_state_machine_as_test(
            Shards,
            settings=settings(
                max_examples=50,
                stateful_step_count=25,
                deadline=None,
                database=None,
                print_blob=True,
                phases=[Phase.explicit, Phase.generate],  # a step takes milliseconds: shrinking would take minutes
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
    finally:
        Shards.fleet.close()
