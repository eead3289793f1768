"""Lay out risers for a terminal: a title, its figures and a link, in cells and not in characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from atlas.adapters.growth import Forecast, Point, Riser, Window, gains
from atlas.figures import compact, duration_text, sparkline
from atlas.policy import ZONES, promise
from atlas.rising import watch_url
from atlas.sanitize import sanitize_line

__all__ = ["CALCULATED", "fitted", "forecasts", "mark", "riser_lines"]

CALCULATED = "Growth and forecasts: calculated by Maia from YouTube data; not YouTube's own."
_SPARK = 12
_WIDEST = 120
_NARROWEST = 48  # a link must fit
_LONGEST = 400  # characters of a text that are looked at; no line shows as many
_MARKS = 3  # combining marks kept in a row, which is enough for every script


def fitted(text: str, cells: int, *, pad: bool = True) -> str:
    """Return text of others in one line of at most so many cells; a cut ends with an ellipsis."""
    kept, run = [], 0
    for char in sanitize_line(text[:_LONGEST]):
        run = run + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        if run <= _MARKS:  # a stack of them would cover the lines above
            kept.append(char)
    line = " ".join("".join(kept).split())
    if cell_len(line) > cells:
        line = set_cell_size(line, max(0, cells - 1)).rstrip() + "…" * (cells > 0)
    return set_cell_size(line, cells) if pad else line


def forecasts(riser: Riser) -> str:
    """Return the forecasts that there are, with their intervals of 80 %."""
    both = (("24h", riser.forecast_24h), ("7d", riser.forecast_7d))
    return "  ".join(f"{age} {_forecast(found)}" for age, found in both if found is not None)


def _forecast(forecast: Forecast) -> str:
    low, expected, high = (_rounded(number) for number in forecast)
    return f"{expected} ({low}-{high})"


def _rounded(number: float) -> str:
    """Return two digits, as is fit for a forecast."""
    return compact(float(f"{number:.2g}")).replace(".0", "")


def mark(riser: Riser, now: datetime) -> str:
    """Return the mark of a video that is breaking out; it says since when by the largest unit of time."""
    return "" if riser.breakout_at is None else f"BREAKOUT for {duration_text(now - riser.breakout_at).split()[0]}"


def riser_lines(
    riser: Riser, rank: int, points: Sequence[Point], now: datetime, *, window: Window = Window.HOUR, width: int = 80
) -> list[Text]:
    """Return the three lines of a video: title and pace, channel and views, link and age."""
    width = max(_NARROWEST, min(width, _WIDEST))
    head = f"{rank:>2}. "
    indent = " " * len(head)
    rate, times = riser.rate(window), riser.times(window)
    pace = f"{'' if rate is None else f'{_signed(rate)}/h':>8}{'' if times is None else f'{compact(times)}x usual':>14}"
    if width >= 70:
        pace = f"{sparkline(gains(points), _SPARK):<{_SPARK}} {pace}"
    first = Text(head).append(fitted(riser.title or riser.video_id, width - len(head) - len(pace) - 2), "bold")
    first.append(f"  {pace}".rstrip())

    figures = "  ".join(filter(None, (f"{compact(riser.views)} views", forecasts(riser))))
    if cell_len(figures) > width - len(indent) - 12:  # a narrow terminal has no room for both
        figures = f"{compact(riser.views)} views"
    second = Text(indent).append(fitted(riser.channel or "", width - len(indent) - len(figures) - 2), "cyan")
    second.append(f"  {figures}")

    third = Text(indent).append(watch_url(riser.video_id), "dim")
    for text, style in _tail(riser, now, width - third.cell_len):
        third.append(f"  {text}", style)
    return [first, second, third]


def _tail(riser: Riser, now: datetime, room: int) -> list[tuple[str, str]]:
    """Return what stands behind the link, with styles: the most important of it that has room."""
    read = now - riser.observed_at
    late = read > promise(ZONES[riser.zone - 1].interval)
    parts = [
        (2, f"{duration_text(now - (riser.published_at or riser.first_seen_at))} old", ""),
        (1, f"read {duration_text(read).split()[0]} ago" if late else "", "yellow"),
        (0, mark(riser, now), "bold red"),
    ]
    kept = set()
    for importance, text, _ in sorted(parts):
        if text and len(text) + 2 <= room:
            room -= len(text) + 2
            kept.add(importance)
    return [(text, style) for importance, text, style in parts if importance in kept]


def _signed(rate: float) -> str:
    return f"{'+' if rate > 0 else ''}{compact(rate)}"
