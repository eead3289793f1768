"""What one run shares with everything that it calls."""

import asyncio

from maia.runtime.run_context import current_shutdown, record_stats, run_scope
from maia.runtime.shutdown import Shutdown


def test_outside_a_run_nothing_is_shared_or_recorded():
    record_stats({"n": 1})
    current_shutdown().churn("not seen")
    assert not current_shutdown().requested


async def test_all_tasks_of_a_run_share_its_shutdown():
    async def ask() -> Shutdown:
        return current_shutdown()

    with run_scope() as context:
        assert await asyncio.create_task(ask()) is context.shutdown
        with run_scope() as inner:
            assert inner is context
    assert current_shutdown() is not context.shutdown


def test_recorded_stats_add_up():
    with run_scope() as context:
        record_stats({"videos": 2, "by_bucket": {"search": 1}, "outcome": "ok", "full": False})
        record_stats({"videos": 3, "by_bucket": {"search": 1, "units": 4}, "outcome": "idle", "full": True})
    assert context.stats == {"videos": 5, "by_bucket": {"search": 2, "units": 4}, "outcome": "idle", "full": True}
