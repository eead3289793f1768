"""Blocking calls in threads, which delay nothing."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from atlas.background import call_in_background


async def test_the_answer_comes_back_from_a_daemon_thread_with_the_callers_context() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("set")
    value, thread = await call_in_background(
        lambda: (variable.get(), threading.current_thread()), seconds=10, name="worker"
    )
    assert (value, thread.daemon, thread.name) == ("set", True, "worker")
    with pytest.raises(KeyError, match="inside"):
        await call_in_background(lambda: {}["inside"], seconds=10)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("loop_ends", [False, True])
def test_a_call_that_overruns_is_left_behind_and_its_answer_dropped(fails: bool, loop_ends: bool) -> None:
    over = threading.Event()
    threads: list[threading.Thread] = []

    def late() -> str:
        threads.append(threading.current_thread())
        over.wait(30)
        if fails:
            raise OSError("late")
        return "late"

    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            await call_in_background(late, seconds=0.02)
        if not loop_ends:
            over.set()
            await asyncio.to_thread(threads[0].join, 10)

    asyncio.run(impatient())
    over.set()
    threads[0].join(10)  # an exception in it would be a warning, and so an error here
    assert not threads[0].is_alive()
