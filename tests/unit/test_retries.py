"""Bounded patience with a database that is away."""

from __future__ import annotations

import pytest

from atlas.db import retries
from atlas.db.deadline import Watch
from atlas.errors import DatabaseUnavailable


async def test_what_is_done_again_is_awaited_whatever_kind_of_callable_it_is() -> None:
    tried = 0

    async def work() -> str:
        nonlocal tried
        tried += 1
        if tried == 1:
            raise DatabaseUnavailable("away")
        return "done"

    assert await retries.while_unavailable(lambda: work(), 5.0, Watch()) == "done"  # noqa: PLW0108  a lambda on purpose


async def test_after_its_time_it_gives_up_with_what_was_wrong() -> None:
    async def work() -> str:
        raise DatabaseUnavailable("away for good")

    with pytest.raises(DatabaseUnavailable, match="away for good"):
        await retries.while_unavailable(work, 0.0, Watch())
