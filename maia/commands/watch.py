"""`maia watch`: the status and the fastest videos, again and again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.text import Text

from atlas.clock import clock
from atlas.commands.times import span
from atlas.database import database
from atlas.errors import AtlasError, ConfigError
from atlas.times import local
from maia.commands.running import run
from maia.commands.status import status_view
from maia.commands.top import Wanted, read_ranking, top_view
from maia.runtime.result_file import describe

__all__ = ["Outage", "follow", "watch"]

_PATIENCE = 5.0
"""Seconds without an answer after which it is said."""
_SHORTEST = timedelta(seconds=1)
_LEAST = 3  # videos, however low the terminal


@dataclass(frozen=True)
class Outage:
    """Since when, in real time, the database does not answer, and why."""

    since: datetime
    why: str

    def __str__(self) -> str:
        return f"No answer from the database since {local(self.since, 'seconds')}: {self.why} Trying again."


Show = Callable[[RenderableType | None, Outage | None], None]
"""Shows a view (None: there was none yet) and, while the database is out, the outage; the view is then the last one."""


def watch(
    interval: Annotated[
        str, typer.Option(metavar="DURATION", help="Time from one view to the next, such as 5s or 1m.")
    ] = "5s",
    limit: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="How many videos; default: as many as fit, or 10."),
    ] = None,
) -> None:
    """Show the status and the fastest videos, live. Ctrl-C ends it.

    Without a terminal, print one block per interval. When the database goes away, say since when, and go on.

    \b
      maia watch
      maia watch --interval 1m --limit 5 > watch.log
    """
    pause = span(interval, "--interval")
    if pause is None or pause < _SHORTEST:
        raise typer.BadParameter(f"'{interval}' is shorter than a second", param_hint="--interval")
    console = Console(highlight=False)

    async def work() -> int:
        database.application_name = "maia watch"
        with _screen(console) as show:
            follower = asyncio.ensure_future(follow(lambda: _read(console, limit), show, pause.total_seconds()))
            ended = _end_by_signals(follower)
            try:
                await follower
            except asyncio.CancelledError:
                if not ended:
                    raise
            finally:
                await database.close()
        return 128 + ended[0]

    raise typer.Exit(run(work))


def _end_by_signals(follower: asyncio.Future[None]) -> list[int]:
    """Let SIGINT and SIGTERM end the work; return the list that gets the signal's number."""
    ended: list[int] = []

    def end(number: int) -> None:
        ended.append(number)
        database.hurry()
        follower.cancel()

    with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # only in the main thread, on Unix
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, end, number)
    return ended


async def _read(console: Console, limit: int | None) -> RenderableType:
    """Return the page of now."""
    async with database.session():
        status = await status_view()
        if limit is None and console.is_terminal:
            room = console.height - len(console.render_lines(status, pad=False)) - 5
            limit = max(_LEAST, room // 3)
        ranking = await read_ranking(Wanted(limit=limit or 10))
    return Group(Text(f"maia watch, {local(clock.now(), 'seconds')}"), status, top_view(ranking, console.width))


@contextlib.contextmanager
def _screen(console: Console) -> Iterator[Show]:
    """Yield what shows a view: on a terminal in place of the one before, elsewhere below it."""
    if not console.is_terminal:
        yield lambda view, outage: _print(console, view, outage)
        return
    from rich.live import Live  # noqa: PLC0415  only a terminal needs it

    # the other screen: the terminal's own is as it was when the command ends
    with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:

        def show(view: RenderableType | None, outage: Outage | None) -> None:
            parts = [Text(str(outage), "bold red")] if outage else []
            live.update(Group(*parts, view or Text("")), refresh=True)

        yield show


def _print(console: Console, view: RenderableType | None, outage: Outage | None) -> None:
    console.print(Text(str(outage)) if outage else view, soft_wrap=outage is not None)
    console.print()
    console.file.flush()


async def follow(read: Callable[[], Awaitable[RenderableType]], show: Show, interval: float) -> None:
    """Show what is read, until this is cancelled. Raises AtlasError if the first reading fails, ConfigError always."""
    last: RenderableType | None = None
    outage: Outage | None = None
    while True:
        reading = asyncio.ensure_future(read())
        try:
            while not (await asyncio.wait({reading}, timeout=interval if outage else _PATIENCE))[0]:
                outage = outage or Outage(clock.real(), "it is silent.")
                show(last, outage)
            last, outage = reading.result(), None
            show(last, None)
        except AtlasError as error:
            if last is None or isinstance(error, ConfigError):
                raise
            outage = Outage(outage.since if outage else clock.real(), describe(error))
            show(last, outage)
            await database.start_over()
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.wait({reading})
        await asyncio.sleep(interval)
