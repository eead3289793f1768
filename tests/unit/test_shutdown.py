"""The shutdown request: who makes it, who sees it, how long running work has."""

import asyncio
import signal

import pytest

from maia.runtime import shutdown as module
from maia.runtime.exits import CancelledExit, ChurnExit
from maia.runtime.shutdown import Shutdown, handle_signals

from ..support.ignored_signals import ignoring


def test_the_first_request_wins_and_a_signal_overrides_a_churn():
    shutdown = Shutdown()
    shutdown.raise_if_requested()
    assert (shutdown.requested, shutdown.cancelled, shutdown.exit) == (False, False, None)
    shutdown.churn("first")
    shutdown.churn("second")
    with pytest.raises(ChurnExit, match="first"):
        shutdown.raise_if_requested()
    shutdown.cancel(signal.SIGTERM)
    shutdown.churn("third")
    with pytest.raises(CancelledExit):
        shutdown.raise_if_requested()


@pytest.mark.parametrize(("seconds", "left"), [(100.0, 3.0), (1.0, 1.0)])
def test_after_a_signal_nothing_may_take_longer_than_what_is_left_of_the_grace(
    monkeypatch: pytest.MonkeyPatch, seconds: float, left: float
):
    shutdown = Shutdown()
    shutdown.churn("too fast")
    assert shutdown.grace_left is None
    assert shutdown.within_grace(seconds) == seconds
    monkeypatch.setattr(module, "GRACE_SECONDS", 3.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: 1000.0)
    shutdown.cancel(signal.SIGTERM)
    assert shutdown.within_grace(seconds) == left


async def test_wait_ends_after_its_time_or_with_a_request():
    shutdown = Shutdown()
    assert await shutdown.wait(0.01) is False
    waiting = asyncio.create_task(shutdown.wait(60))
    await asyncio.sleep(0)
    await asyncio.to_thread(shutdown.churn, "from another thread")
    assert await asyncio.wait_for(waiting, 5) is True
    assert await shutdown.wait(60) is True, "at once from then on"


async def test_only_a_signal_ends_the_wait_for_work():
    shutdown, work = Shutdown(), asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(shutdown.wait_for(work))
    await asyncio.sleep(0)
    shutdown.churn("rate limit")
    assert await shutdown.wait() is True
    await asyncio.sleep(0)
    assert not waiting.done()
    shutdown.cancel(signal.SIGINT)
    await asyncio.wait_for(waiting, 5)
    assert not work.done()


def test_a_loop_that_was_closed_does_not_disturb_the_request():
    shutdown = Shutdown()
    loop = asyncio.new_event_loop()

    async def stay() -> None:
        with shutdown.on_request(print):
            await asyncio.Event().wait()

    waiting = loop.create_task(stay())
    loop.run_until_complete(asyncio.sleep(0))
    registered = set(shutdown._callbacks)
    waiting.cancel()
    loop.run_until_complete(asyncio.gather(waiting, return_exceptions=True))
    loop.close()
    shutdown._callbacks |= registered
    shutdown.churn("rate limit")
    assert shutdown.requested


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_requests_the_shutdown_and_the_old_handlers_come_back(signum: signal.Signals):
    before = signal.getsignal(signum)
    shutdown = Shutdown()
    with handle_signals(shutdown):
        signal.raise_signal(signum)
        assert isinstance(shutdown.exit, CancelledExit)
        assert shutdown.exit.signum == signum
    assert signal.getsignal(signum) is before


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_the_process_was_started_to_ignore_stays_ignored(signum: signal.Signals):
    shutdown = Shutdown()
    with ignoring(signum):
        with handle_signals(shutdown):
            signal.raise_signal(signum)
            assert shutdown.exit is None
        assert signal.getsignal(signum) is signal.SIG_IGN


async def test_outside_the_main_thread_signals_are_left_alone():
    before = signal.getsignal(signal.SIGTERM)

    def enter() -> bool:
        with handle_signals(shutdown := Shutdown()):
            return shutdown.handles_signals

    assert await asyncio.to_thread(enter) is False
    assert signal.getsignal(signal.SIGTERM) is before
