"""Write the page of `maia report`: one HTML file that needs no other and requests nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from atlas.figures import compact, duration_text, shortened
from atlas.sanitize import sanitize
from atlas.times import iso, local
from maia.report.contents import Counted, Day, Head, RunMark, ZoneDay
from maia.report.payload import Payload, for_html, shown_title

__all__ = ["UPLOT_SHA256", "policy", "render"]

UPLOT_SHA256 = {
    "LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
"""The files of uPlot 1.6.32, unchanged."""

_NONE = "\u2013"
"""Where there is no number."""
_STRIP = 96
"""The runs of an agent in its strip at most."""
_TEXT = 200
"""The characters of a query or an error at most."""


@dataclass(frozen=True)
class _Outcome:
    """How a run is shown: never by colour alone."""

    letter: str
    state: str
    words: str


_OUTCOMES = {
    "ok": _Outcome("✓", "ok", "ok"),
    "idle": _Outcome(_NONE, "idle", "idle: nothing was due"),
    "quota-exhausted": _Outcome("Q", "idle", "quota spent"),
    "churn": _Outcome("C", "warn", "churn: YouTube's rate limit"),
    "cancelled": _Outcome("S", "warn", "stopped by a signal"),
    "failure": _Outcome("F", "bad", "failure"),
    "unavailable": _Outcome("D", "bad", "database unavailable"),
    "config": _Outcome("!", "bad", "wrong configuration"),
}
_NO_OUTCOME = _Outcome("?", "idle", "running, or killed")


def render(payload: Payload) -> str:
    """Return the page."""
    head = payload.head
    theme = _static("theme.js")
    uplot = f"/*\n{_static('uplot/LICENSE')}*/\n{_static('uplot/uPlot.iife.min.js')}"  # each copy has its license
    script = f"{uplot}\n{_static('page.js')}"
    style = f"{_static('uplot/uPlot.min.css')}\n{_static('page.css')}"
    verbatim = {
        "theme": theme, "script": script, "style": style, "head_json": for_html(_for_script(payload)),
        "block": payload.block_text(),
    }  # fmt: skip
    return _environment().get_template("page.html").render(
        head=head, view=_View(head), first=payload.first, shown=len(payload.first),
        policy=policy([theme, script], [style]), outcomes=_OUTCOMES, no_outcome=_NO_OUTCOME,
        # own files, JSON without markup, base64
        **{name: Markup(text) for name, text in verbatim.items()},  # noqa: S704
    )  # fmt: skip


def _for_script(payload: Payload) -> dict[str, Any]:
    """Return what the page's script needs: the template has written the rest."""
    head = payload.head
    return {
        "generated_at": head.generated_at, "promised_by": head.newest.promised_by, "time_zone": head.time_zone,
        "videos": head.videos, "block": payload.about_block,
    }  # fmt: skip


def policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Return a Content-Security-Policy that allows these inline scripts and styles, and nothing else."""
    return "; ".join(
        (
            "default-src 'none'", f"script-src {_hashes(scripts)}", f"style-src {_hashes(styles)}", "img-src data:",
            "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
        )
    )  # fmt: skip


def _hashes(texts: Sequence[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


@cache
def _static(name: str) -> str:
    return files("maia.report").joinpath("static", *name.split("/")).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("maia.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "whole": _whole, "compact": _compact, "counted": _counted, "clean": _clean, "title": shown_title, "web": _web,
        "span": duration_text, "percent": _percent, "iso": iso,
    }  # fmt: skip
    return environment


def _whole(number: float | None) -> str:
    return _NONE if number is None else f"{number:,.0f}"


def _compact(number: float | None) -> str:
    return _NONE if number is None else compact(number)


def _counted(count: Counted) -> str:
    return f"{'' if count.exact else 'about '}{count.number:,}"


def _percent(share: float | None) -> str:
    """Return a share as a percentage that is 0 or 100 only if nothing or all is meant."""
    if share is None:
        return _NONE
    return f"{min(99.9, max(0.1, share * 100)):.1f} %" if 0 < share < 1 else f"{share:.0%}".replace("%", " %")


def _clean(text: str | None) -> str:
    return shortened(sanitize(text or "").strip(), _TEXT)


def _web(address: str | None) -> str | None:
    """Return an https address; None: it is something else."""
    try:
        parts = urlsplit(address or "")
    except ValueError:
        return None
    return address if parts.scheme == "https" and parts.hostname else None


@dataclass(frozen=True)
class Bar:
    """A bar of a chart, within 100 units of height; ``words`` is what it says."""

    x: float
    width: float
    height: float
    words: str


class _View:
    """What the template computes of the head."""

    def __init__(self, head: Head) -> None:
        self._head = head

    def time(self, at: datetime | None) -> str:
        """Return a time to the minute in the display time zone, which the text around it names."""
        return _NONE if at is None else local(at, zone=self._head.time_zone)[:16].replace("T", " ")

    def full_time(self, at: datetime) -> str:
        """Return a time with its offset from UTC."""
        return local(at, zone=self._head.time_zone)

    def ago(self, at: datetime) -> str:
        """Return how long before the page a time was."""
        return duration_text(self._head.generated_at - at)

    @property
    def freshness(self) -> float | None:
        """Return the share of videos that were last read within their promise."""
        looked_at = sum(zone.looked_at for zone in self._head.zones)
        return sum(zone.fresh for zone in self._head.zones) / looked_at if looked_at else None

    @property
    def last_day(self) -> Day | None:
        """Return the newest day."""
        return self._head.discovery[-1] if self._head.discovery else None

    def bars(self, name: str, unit: str) -> tuple[list[Bar], int]:
        """Return a bar for each day, and the height of the axis."""
        days = self._head.discovery
        values: list[int] = [getattr(day, name) for day in days]
        top = _round_up(max(values, default=0))
        width = 100 / max(1, len(days))
        return [
            Bar(
                round(place * width + width * 0.18, 3), round(width * 0.64, 3),
                max(round(value / top * 100, 2), 1 if value else 0), f"{day.day}: {value:,} {unit}",
            )
            for place, (day, value) in enumerate(zip(days, values, strict=True))
        ], top  # fmt: skip

    def promise_bars(self, days: Sequence[ZoneDay]) -> list[Bar]:
        """Return a bar for each day of a zone: the share of its intervals within the promise."""
        width = 100 / max(1, len(days))
        shares = [day.kept / day.intervals if day.intervals else None for day in days]
        return [
            Bar(
                round(place * width + width * 0.1, 3), round(width * 0.8, 3), round((share or 0) * 100, 1),
                f"{day.day}: {_percent(share)} of {day.intervals:,} intervals",
            )
            for place, (day, share) in enumerate(zip(days, shares, strict=True))
        ]  # fmt: skip

    @staticmethod
    def kept(days: Sequence[ZoneDay]) -> float | None:
        """Return the share of intervals within the promise, over all days."""
        intervals = sum(day.intervals for day in days)
        return sum(day.kept for day in days) / intervals if intervals else None

    def strips(self) -> list[tuple[str, list[RunMark]]]:
        """Return the latest runs of each agent, oldest first."""
        agents: dict[str, list[RunMark]] = {}
        for run in self._head.runs:
            agents.setdefault(run.agent, []).append(run)
        return [(agent, runs[:_STRIP][::-1]) for agent, runs in sorted(agents.items())]

    @staticmethod
    def outcome(run: RunMark) -> _Outcome:
        """Return how a run's outcome is shown."""
        return _OUTCOMES.get(run.outcome, _Outcome("?", "warn", _clean(run.outcome))) if run.outcome else _NO_OUTCOME

    def failed(self) -> list[RunMark]:
        """Return the latest runs that failed."""
        return [run for run in self._head.runs if self.outcome(run).state == "bad"][:20]

    @staticmethod
    def spark(heights: Sequence[int] | None) -> str:
        """Return the line of a sparkline, 100 by 28, as ``d`` of an SVG path; empty: there is none."""
        if not heights:
            return ""
        step = 100 / (len(heights) - 1)
        return "".join(
            f"{'L' if place else 'M'}{place * step:.1f} {26.5 - height / 7 * 25:.1f}"
            for place, height in enumerate(heights)
        )

    @staticmethod
    def span(begin: datetime, end: datetime) -> timedelta:
        """Return the time between two times."""
        return end - begin

    @staticmethod
    def day(day: date) -> str:
        """Return a day."""
        return str(day)


def _round_up(number: int) -> int:
    """Return the least of 1, 2, 4, 5, 6, 8, 10, 20, … that is not less than a number."""
    scale = 1
    while True:
        for step in (1, 2, 4, 5, 6, 8):
            if step * scale >= number:
                return step * scale
        scale *= 10
