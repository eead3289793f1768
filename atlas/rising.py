"""Describe rising videos in plain text, for messages."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from atlas.adapters.growth import Forecast, GrowthDAO, Point, Riser
from atlas.database import Database
from atlas.figures import compact, shortened, sparkline

__all__ = ["describe_breakouts", "riser_lines", "riser_title", "watch_url"]

_POINTS = 25  # snapshots behind a sparkline
_LONGEST_TITLE = 100


async def describe_breakouts(store: Database, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return a line and details for each breakout of a known video, by the video's id."""
    dao = GrowthDAO(store)
    async with store.session():
        risers = await dao.risers(ids=ids, limit=len(ids))
        curves = await dao.curves([riser.video_id for riser in risers], most=_POINTS)
    return {
        riser.video_id: (f"breaking out: {riser_title(riser)}", riser_lines(riser, curves.get(riser.video_id, ())))
        for riser in risers
    }


def riser_lines(riser: Riser, curve: Sequence[Point]) -> str:
    """Return what is known of a rising video: its rate, its score, its curve, its forecast, and its link."""
    rate = f"{compact(riser.views_per_hour)} views/h"
    if riser.times_usual is not None:
        rate += f", {compact(riser.times_usual)} times its usual"
    if riser.score is not None:
        rate += f", score {riser.score:.1f}"
    gains = [max(0, late.views - early.views) for early, late in itertools.pairwise(curve)]
    lines = [f"{compact(riser.views)} views; {rate}", sparkline(gains)]
    forecasts = (("24 h", riser.forecast_24h), ("7 days", riser.forecast_7d))
    expected = [f"{_range(forecast)} at {age}" for age, forecast in forecasts if forecast is not None]
    if expected:
        lines.append(f"Expected views: {'; '.join(expected)}")
    lines.append(watch_url(riser.video_id))
    return "\n".join(filter(None, lines))


def watch_url(video_id: str) -> str:
    """Return the address of a video at YouTube."""
    return f"https://www.youtube.com/watch?v={video_id}"


def riser_title(riser: Riser) -> str:
    """Return its title and its channel, shortened, on one line."""
    title = shortened(" ".join((riser.title or riser.video_id).split()), _LONGEST_TITLE)
    return f"{title} ({' '.join(riser.channel.split())[:_LONGEST_TITLE]})" if riser.channel else title


def _range(forecast: Forecast) -> str:
    return f"{compact(forecast.expected)} ({compact(forecast.low)} to {compact(forecast.high)})"
