"""Lines, steps and tables on standard output. Text of others (titles, queries, logs) is never read as markup."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta

from rich.console import Console, RenderableType
from rich.text import Text

from atlas.sanitize import sanitize

__all__ = ["Screen", "span"]


class Screen:
    """Print to a console, the standard output by default."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

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
        said = f": {', '.join(notes)}" if notes else ""
        self.say(f"✓ {what}{said} ({time.monotonic() - began:.1f} s)")


def span(time: timedelta) -> str:
    """Return a duration as text: ``2 d 5 h``, ``3 h 20 min`` or ``4 min``."""
    minutes = round(time.total_seconds() / 60)
    days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest} min" if hours else f"{rest} min"
