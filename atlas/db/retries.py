"""Repeat work while the database is unavailable, within bounded time."""

from __future__ import annotations

import contextvars
import time
from typing import TYPE_CHECKING, TypeVar

from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    wait_exponential,
    wait_random_exponential,
)

from atlas.errors import Contended, DatabaseUnavailable, NoConnectionLeft, ReadOnly

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from atlas.db.deadline import Watch

T = TypeVar("T")

SECONDS = 30.0
"""Real seconds after which a process gives up a lost database and ends with 69. A restart of a managed PostgreSQL takes
5 to 20 s; a runner's minute costs money."""
START_SECONDS = 10.0
"""The same at the start. Also for a host that does not exist: a container's name exists once the container runs."""

_until: contextvars.ContextVar[float] = contextvars.ContextVar("atlas_retry_until", default=float("inf"))


def time_left() -> float:
    """Return the real seconds until the current retries end; infinite outside of any."""
    return _until.get() - time.monotonic()


async def while_unavailable(
    work: Callable[[], Awaitable[T]], seconds: float, watch: Watch, since: float | None = None
) -> T:
    """Do work that is safe to repeat, and repeat it on DatabaseUnavailable and Contended for some ``seconds``.

    These are real seconds from ``since`` (``time.monotonic()``) or the server's last answer, whichever is later; None:
    from the first failure. Nothing is repeated once ``watch`` has given the server up or a signal has come.
    """
    full: NoConnectionLeft | None = None
    try:
        return await work()  # nearly always enough: tenacity costs more than many statements do
    except ReadOnly:
        raise
    except (DatabaseUnavailable, Contended) as error:
        if watch.ending or not seconds:
            raise
        full = error if isinstance(error, NoConnectionLeft) else None
    until = seconds + (time.monotonic() if since is None else max(since, watch.last_answer))
    # half of a pause is fixed, which bounds the attempts (10 in 10 s, 18 in 30 s); half is random: shards spread out
    pause = wait_exponential(multiplier=0.1, max=2.5) + wait_random_exponential(multiplier=0.1, max=2.5)
    retrying = AsyncRetrying(
        retry=retry_if_exception_type((DatabaseUnavailable, Contended)) & retry_if_not_exception_type(ReadOnly),
        wait=lambda state: min(pause(state), max(until - time.monotonic(), 0.0)),
        stop=lambda _: watch.ending or time.monotonic() >= until,
        sleep=watch.pause,
        reraise=True,
    )

    async def again() -> T:
        nonlocal full
        try:
            return await work()
        except NoConnectionLeft as error:
            full = error
            raise

    token = _until.set(until)
    try:
        return await retrying(again)
    except DatabaseUnavailable as error:
        # the time limit cut the last try off, and says less than what the server answered before
        if full is not None and isinstance(error.__context__, TimeoutError) and not watch.ending:
            raise full from None
        raise
    finally:
        _until.reset(token)
