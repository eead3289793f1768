"""Lines, steps and tables on standard output. Text of others (titles, queries, logs) is never read as markup."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from atlas.sanitize import sanitize


class Screen:
    """Print to a console, the standard output by default. Without a terminal, tables are ``width`` wide."""

    def __init__(self, *, width: int | None = None) -> None:
        self.console = Console(highlight=False)
        if width is not None and not self.console.is_terminal:
            self.console = Console(highlight=False, width=width)

    def say(self, text: str, style: str | None = None) -> None:
        """Print a line."""
        self.console.print(Text(sanitize(text, keep="\n\t"), style=style or ""), soft_wrap=True)

    def show(self, thing: RenderableType) -> None:
        """Print a table."""
        self.console.print(thing)

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[list[str]]:
        """Print a step before and after it runs, with its duration and the notes that the block adds to the list."""
        began = time.monotonic()
        notes: list[str] = []
        self.say(f"… {what}")
        yield notes
        noted = f": {', '.join(notes)}" if notes else ""
        self.say(f"✓ {what}{noted} ({time.monotonic() - began:.1f} s)")


def table(*columns: str, rows: Iterable[Iterable[RenderableType] | None], title: str | None = None) -> Table:
    """Return a table; a row that is None ends a section."""
    made = Table(*columns, title=title, title_justify="left")
    for row in rows:
        if row is None:
            made.add_section()
        else:
            made.add_row(*row)
    return made


def span(time: timedelta) -> str:
    """Return a duration as text: ``2 d 5 h``, ``3 h 20 min`` or ``4 min``."""
    minutes = round(time.total_seconds() / 60)
    days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest} min" if hours else f"{rest} min"
