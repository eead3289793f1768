"""A worker over many items: bounded, in order, and ended in order by a shutdown request."""

import asyncio
import gc
import signal

import pytest

from maia.runtime import shutdown as shutdown_module
from maia.runtime.concurrency import NOT_STARTED, Unfinished, run_bounded
from maia.runtime.exits import ChurnExit
from maia.runtime.shutdown import Shutdown


async def test_results_and_exceptions_come_in_the_order_of_the_items():
    async def worker(item: int) -> int:
        await asyncio.sleep(0.001 * (3 - item))
        if item == 1:
            raise ValueError("one")
        return item * 10

    results = await run_bounded([0, 1, 2], worker, limit=3, shutdown=Shutdown())
    assert results[0] == 0
    assert isinstance(results[1], ValueError)
    assert results[2] == 20
    assert await run_bounded([], worker, limit=3, shutdown=Shutdown()) == []


async def test_no_more_than_the_limit_run_at_once():
    running, most = 0, 0

    async def worker(_: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await run_bounded(range(20), worker, limit=3, shutdown=Shutdown())
    assert most == 3
    with pytest.raises(ValueError, match="limit"):
        await run_bounded([1], worker, limit=0, shutdown=Shutdown())


@pytest.mark.parametrize(
    "leaving", [ChurnExit("rate limit"), BaseExceptionGroup("nested", [ValueError("x"), ChurnExit("rate limit")])]
)
async def test_a_churn_lets_siblings_finish_and_starts_nothing_new(leaving: BaseException):
    shutdown, sibling_started = Shutdown(), asyncio.Event()

    async def worker(item: int) -> int:
        if item == 0:
            await sibling_started.wait()
            raise leaving
        sibling_started.set()
        await shutdown.wait()
        await asyncio.sleep(0.01)  # its write goes on after the churn
        return item

    results = await run_bounded([0, 1, 2, 3], worker, limit=2, shutdown=shutdown)
    assert results == [Unfinished.EXITED, 1, NOT_STARTED, NOT_STARTED]
    with pytest.raises(ChurnExit, match="rate limit"):
        shutdown.raise_if_requested()
    assert await run_bounded([1, 2], worker, limit=2, shutdown=shutdown) == [NOT_STARTED, NOT_STARTED]


async def test_any_system_exit_ends_the_run_with_its_own_code():
    shutdown = Shutdown()

    async def worker(_: int) -> None:
        raise SystemExit(3)

    assert await run_bounded([0, 1], worker, limit=1, shutdown=shutdown) == [Unfinished.EXITED, NOT_STARTED]
    with pytest.raises(SystemExit) as caught:
        shutdown.raise_if_requested()
    assert caught.value.code == 3


@pytest.mark.parametrize("heeds", [True, False], ids=["finishes", "is cut off"])
async def test_after_a_signal_running_work_finishes_within_the_grace_or_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, heeds: bool
):
    if not heeds:
        monkeypatch.setattr(shutdown_module, "GRACE_SECONDS", 0.05)
    shutdown, started, cleaned = Shutdown(), asyncio.Event(), []

    async def worker(item: int) -> int:
        try:
            started.set()
            await (shutdown.wait() if heeds else asyncio.Event().wait())
        finally:
            await asyncio.sleep(0)
            cleaned.append(item)
        return item

    running = asyncio.create_task(run_bounded([7, 8], worker, limit=1, shutdown=shutdown))
    await started.wait()
    shutdown.cancel(signal.SIGTERM)
    assert await asyncio.wait_for(running, 5) == [7 if heeds else Unfinished.CUT_OFF, NOT_STARTED]
    assert cleaned == [7]
    gc.collect()
    assert not caplog.records, "asyncio logs what is never retrieved"


async def test_cancelling_the_caller_cancels_and_awaits_the_workers():
    started, cleaned = asyncio.Event(), []

    async def worker(item: int) -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(item)

    running = asyncio.create_task(run_bounded([1], worker, limit=1, shutdown=Shutdown()))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cleaned == [1]


async def test_a_worker_cancelled_from_within_does_not_take_its_lane_along():
    async def worker(item: int) -> int:
        if item == 0:
            raise asyncio.CancelledError
        return item

    assert await run_bounded([0, 1], worker, limit=1, shutdown=Shutdown()) == [Unfinished.CUT_OFF, 1]


async def test_an_exception_that_no_worker_may_raise_is_not_lost():
    class Odd(BaseException):
        pass

    async def worker(_: int) -> None:
        raise Odd

    with pytest.raises(Odd):
        await run_bounded([0], worker, limit=1, shutdown=Shutdown())
