"""How `maia watch` goes on while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from atlas.errors import AtlasError, ConfigError, DatabaseUnavailable, StatementFailed
from maia.commands import watch
from maia.commands.watch import Outage, follow

Shown = list[tuple[Any, Outage | None]]


async def silent() -> Any:
    await asyncio.Event().wait()


def failing(error: AtlasError) -> Callable[[], Any]:
    async def fail() -> Any:
        raise error

    return fail


def answering(text: str) -> Callable[[], Any]:
    async def answer() -> Any:
        return text

    return answer


async def followed(*readings: Callable[[], Any]) -> Shown:
    """Return what is shown of these readings, the last of which ends it."""
    shown: Shown = []
    with pytest.raises(ConfigError, match="the end"):
        await follow(in_turn(*readings), lambda view, outage: shown.append((view, outage)), 0)
    return shown


def in_turn(*readings: Callable[[], Any]) -> Callable[[], Any]:
    left = iter(readings)

    def read() -> Any:
        return next(left)()

    return read


async def test_an_outage_is_named_by_its_beginning_until_it_is_over() -> None:
    shown = await followed(
        answering("first"), failing(DatabaseUnavailable("gone")), failing(StatementFailed("still gone")),
        answering("second"), failing(DatabaseUnavailable("again")), failing(ConfigError("the end")),
    )  # fmt: skip
    assert [(view, outage and outage.why) for view, outage in shown] == [
        ("first", None), ("first", "gone"), ("first", "still gone"), ("second", None), ("second", "again"),
    ]  # fmt: skip
    gone, still_gone = shown[1][1], shown[2][1]
    assert gone is not None
    assert still_gone is not None
    assert gone.since == still_gone.since
    assert str(gone).startswith("No answer from the database since 20")


async def test_silence_is_said_before_the_reading_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_PATIENCE", 0)
    said = asyncio.Event()
    last: Shown = []

    def show(view: Any, outage: Outage | None) -> None:
        if outage:
            last.append((view, outage))
            said.set()

    task = asyncio.create_task(follow(in_turn(answering("first"), silent), show, 0.001))
    async with asyncio.timeout(10):
        await said.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert last[0][0] == "first"
    assert last[0][1].why == "it is silent."


@pytest.mark.parametrize("error", [DatabaseUnavailable("wrong port"), ConfigError("no schema")])
async def test_a_database_that_was_never_there_ends_it(error: AtlasError) -> None:
    with pytest.raises(type(error)):
        await follow(failing(error), lambda *_: None, 0)
