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
    assert value == "set"
    assert thread.daemon
    assert thread.name == "worker"


async def test_what_the_call_raises_is_raised() -> None:
    def fail() -> None:
        raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        await call_in_background(fail, seconds=10)


@pytest.mark.parametrize("fails", [False, True])
async def test_one_that_overruns_is_left_behind_and_its_answer_dropped(fails: bool) -> None:
    over, done = threading.Event(), threading.Event()

    def late() -> str:
        over.wait(30)
        done.set()
        if fails:
            raise OSError("late")
        return "late"

    with pytest.raises(TimeoutError):
        await call_in_background(late, seconds=0.02)
    over.set()
    assert await asyncio.to_thread(done.wait, 10)


def test_one_that_ends_after_its_loop_is_dropped_too() -> None:
    over = threading.Event()
    threads: list[threading.Thread] = []

    def late() -> None:
        threads.append(threading.current_thread())
        over.wait(30)

    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            await call_in_background(late, seconds=0.02)

    asyncio.run(impatient())
    over.set()
    threads[0].join(10)  # an exception in it would be a warning, and so an error here
    assert not threads[0].is_alive()
