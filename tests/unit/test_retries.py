"""Bounded patience with a database that is away."""

from __future__ import annotations

import asyncpg
import pytest

from atlas.db import retries
from atlas.db.deadline import Watch
from atlas.db.errors import map_driver_errors
from atlas.errors import DatabaseUnavailable, NoConnectionLeft


async def test_what_is_done_again_is_awaited_whatever_kind_of_callable_it_is() -> None:
    tried = 0

    async def work() -> str:
        nonlocal tried
        tried += 1
        if tried == 1:
            raise DatabaseUnavailable("away")
        return "done"

    assert await retries.while_unavailable(lambda: work(), 5.0, Watch()) == "done"  # noqa: PLW0108  a lambda on purpose


@pytest.mark.parametrize(
    ("ends", "raised", "said"),
    [
        ([asyncpg.TooManyConnectionsError("too many clients"), TimeoutError()], NoConnectionLeft, "no connection left"),
        (
            [TimeoutError(), asyncpg.TooManyConnectionsError("too many clients"), TimeoutError()],
            NoConnectionLeft,
            "no connection left",
        ),
        ([asyncpg.TooManyConnectionsError("full"), ConnectionRefusedError("refused")], DatabaseUnavailable, "refused"),
        ([TimeoutError(), TimeoutError()], DatabaseUnavailable, "no answer in time"),
    ],
)
async def test_a_try_that_the_time_limit_cut_off_does_not_hide_that_the_server_is_full(
    ends: list[Exception], raised: type[DatabaseUnavailable], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = list(ends)
    watch = Watch()

    async def work() -> None:
        end = left.pop(0)
        if not left:  # this was the last try
            monkeypatch.setattr(retries.time, "monotonic", lambda: float("inf"))
        with map_driver_errors():
            raise end

    async def at_once(_: float) -> None:
        pass

    monkeypatch.setattr(watch, "pause", at_once)
    with pytest.raises(raised, match=said) as error:
        await retries.while_unavailable(work, 60.0, watch)
    assert type(error.value) is raised
