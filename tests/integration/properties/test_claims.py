"""Claims under any order of events, on a real PostgreSQL with several connections."""

from __future__ import annotations

import pytest
from hypothesis import Phase
from hypothesis.stateful import run_state_machine_as_test

from ...support.claim_machine import Shards, ShardStores
from ...support.examples import examples

pytestmark = pytest.mark.integration


def test_no_order_of_events_lets_two_hold_one_row_or_a_late_shard_write(dsn: str) -> None:
    """Seen to catch, each by itself: a claim that takes what is leased, waits for a locked row (no SKIP LOCKED), locks
    none, takes the newest first or a zone out of its order, or leaves what has expired; a page token, a video's update,
    a restart or a release that is written without a look at the lease's token; a release that leaves the lease's end; a
    write that is rolled back and taken for done; one that wakes a paused query; a page token of more than 12 h.
    """
    Shards.fleet = ShardStores(dsn)
    try:
        # a step takes milliseconds: shrinking would take minutes
        phases = [Phase.explicit, Phase.generate]
        run_state_machine_as_test(Shards, settings=examples(500, stateful_step_count=25, phases=phases))
    finally:
        Shards.fleet.close()
