"""`maia top`: the videos that grow fastest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.text import Text

from atlas.adapters.growth import GrowthDAO, Kind, Outlook, Point, Riser, Sort, Window, gains
from atlas.clock import clock
from atlas.commands.json_output import echo_json
from atlas.database import database
from atlas.figures import duration_text
from atlas.rising import watch_url
from atlas.sanitize import sanitize_line
from atlas.times import local
from maia.commands.riser_text import CALCULATED, riser_lines
from maia.commands.running import run

__all__ = ["Ranking", "Wanted", "read_ranking", "riser_json", "top", "top_view"]

_MOST_VIEWS = 10**12  # no video has so many
_READINGS = 13  # of a curve, for a sparkline of twelve gains

_SORTS = {Sort.VIEWS_PER_HOUR: "views per hour", Sort.SCORE: "breakout score"}
_WINDOWS = {Window.HOUR: "between the last two readings", Window.SIX_HOURS: "over 6 h", Window.DAY: "over 24 h"}


@dataclass(frozen=True)
class Wanted:
    """Which videos are shown, and in which order."""

    window: Window = Window.HOUR
    sort: Sort = Sort.VIEWS_PER_HOUR
    min_views: int = 0
    query: str | None = None
    kind: Kind | None = None
    limit: int = 10

    @property
    def filtered(self) -> bool:
        """Return whether any video is left out by choice."""
        return bool(self.min_views or self.query or self.kind)


@dataclass(frozen=True)
class Ranking:
    """The fastest videos at one moment of the schedule, with their last readings."""

    at: datetime
    wanted: Wanted
    risers: Sequence[Riser]
    curves: Mapping[str, Sequence[Point]]
    outlook: Outlook | None = None
    """Why there is none."""


async def read_ranking(wanted: Wanted) -> Ranking:
    """Return the fastest videos of the open database."""
    dao = GrowthDAO()
    risers = await dao.risers(
        limit=wanted.limit, window=wanted.window, sort=wanted.sort, min_views=wanted.min_views, kind=wanted.kind,
        query=wanted.query,
    )  # fmt: skip
    ids = [riser.video_id for riser in risers]
    curves = await dao.curves(ids, most=_READINGS) if ids else {}
    outlook = None if ids else await dao.outlook()
    return Ranking(clock.now(), wanted, risers, curves, outlook)


def top_view(ranking: Ranking, width: int = 80) -> RenderableType:
    """Return what `maia top` prints."""
    if not ranking.risers:
        return Text(_why_empty(ranking))
    newest = max(riser.observed_at for riser in ranking.risers)
    wanted = ranking.wanted
    lines = [Text(f"Fastest videos by {_SORTS[wanted.sort]} {_WINDOWS[wanted.window]}", "bold")]
    for rank, riser in enumerate(ranking.risers, 1):
        points = ranking.curves.get(riser.video_id, ())
        lines += riser_lines(riser, rank, points, ranking.at, window=wanted.window, width=width)
    forecast = any(riser.forecast_24h or riser.forecast_7d for riser in ranking.risers)
    legend = " 24h, 7d: views expected at that age." if forecast else ""
    lines.append(Text(f"Read {duration_text(ranking.at - newest)} ago, at {local(newest)}.{legend}"))
    lines.append(Text(CALCULATED))
    return Group(*lines)


def _why_empty(ranking: Ranking) -> str:
    outlook, wanted = ranking.outlook, ranking.wanted
    if outlook is None or outlook.any_growth:
        text = "No video with two readings matches."
        return f"{text} Leave out --query, --kind or --min-views." if wanted.filtered else text
    if not outlook.any_video:
        return 'There are no videos yet. Add a query: maia queue add "your query"; then run: maia hunter'
    due = outlook.next_due
    text = "No video has two readings yet: its growth is known after the second."
    if due is None:
        return f"{text} No video is due; `maia hunter` finds more."
    if due <= ranking.at:
        return f"{text} Videos are due now: run maia tracker"
    return (
        f"{text} The next reading is due at {local(due)}, in {duration_text(due - ranking.at)}: run maia tracker then"
    )


def riser_json(riser: Riser, points: Sequence[Point] = ()) -> dict[str, Any]:
    """Return a video as JSON; the documents describe it."""
    return {
        "video_id": riser.video_id, "url": watch_url(riser.video_id), "title": riser.title,
        "channel_id": riser.channel_id, "channel": riser.channel, "kind": riser.kind,
        "published_at": riser.published_at, "found_by": riser.found_by, "observed_at": riser.observed_at,
        "views": riser.views,
        "views_per_hour": riser.views_per_hour, "views_per_hour_6h": riser.views_per_hour_6h,
        "views_per_hour_24h": riser.views_per_hour_24h, "usual_per_hour": riser.usual_per_hour,
        "times_usual": riser.times_usual, "score": riser.score, "breakout_at": riser.breakout_at,
        "forecast_24h": riser.forecast_24h and riser.forecast_24h._asdict(),
        "forecast_7d": riser.forecast_7d and riser.forecast_7d._asdict(), "gains_per_hour": gains(points),
    }  # fmt: skip


def top(
    window: Annotated[
        Window, typer.Option(help="Rates over this time; 1h: between the last two readings.")
    ] = Window.HOUR,
    sort: Annotated[Sort, typer.Option(help="What the videos are ranked by.")] = Sort.VIEWS_PER_HOUR,
    min_views: Annotated[int, typer.Option(min=0, max=_MOST_VIEWS, help="Only videos with so many views.")] = 0,
    query: Annotated[str | None, typer.Option(metavar="TEXT", help="Only what a query with this text found.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only videos of this kind.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many to show.")] = 10,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for other programs.")] = False,
) -> None:
    """Show the videos that grow fastest, with their forecasts and breakouts.

    Each has its title, growth in the last readings, views per hour and how many times the usual that is; then its
    channel, views and the views expected when it is 24 h and 7 d old, with an interval of 80 %; then its link and age.

    \b
      maia top
      maia top --window 24h --kind short --limit 5
      maia top --sort score --query "lofi"
    """
    wanted = Wanted(window, sort, min_views, query, kind, limit)

    async def work() -> Ranking:
        async with database.session():
            return await read_ranking(wanted)

    ranking = run(work)
    if as_json:
        echo_json(_as_json(ranking), indent=True)
    else:
        console = Console(highlight=False)
        console.print(top_view(ranking, console.width), soft_wrap=not console.is_terminal)


def _as_json(ranking: Ranking) -> dict[str, Any]:
    wanted = ranking.wanted
    return {
        "at": ranking.at,
        "window": wanted.window,
        "sort": wanted.sort,
        "note": CALCULATED,
        "videos": [riser_json(riser, ranking.curves.get(riser.video_id, ())) for riser in ranking.risers],
        "empty": sanitize_line(_why_empty(ranking)) if not ranking.risers else None,
    }
