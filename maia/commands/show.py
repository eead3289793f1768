"""`maia show`: everything known of one video or channel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from atlas.adapters.details import Channel, DetailsDAO, Video
from atlas.adapters.growth import Breakout, GrowthDAO, Point, Riser
from atlas.clock import clock
from atlas.commands.json_output import echo_json
from atlas.database import database
from atlas.figures import compact, duration_text
from atlas.rising import watch_url
from atlas.times import local
from maia.addresses import Named, Thing, UnknownName, parse_name
from maia.commands.riser_text import CALCULATED, fitted, forecasts, mark, riser_lines
from maia.commands.running import run
from maia.commands.text_chart import text_chart
from maia.commands.top import riser_json

__all__ = ["show"]

_LABEL = 13  # cells of the names on the left
_TIME = 26  # cells of a time with its zone
_AGES = {1: "under 24 h", 2: "1 to 7 days", 3: "over 7 days"}
_INTERVALS = {1: "every hour", 2: "every 6 h", 3: "daily"}


def show(
    name: Annotated[
        str, typer.Argument(metavar="VIDEO_OR_CHANNEL_OR_URL", help="Id or address of a video or channel.")
    ],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many readings, or videos of a channel.")] = 10,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for other programs.")] = False,
) -> None:
    """Show everything known of one video or channel.

    Of a video: its metadata, which query found it, its next reading, its growth, rank and breakouts, and its curve with
    the last readings. Of a channel: totals, and its videos, the fastest first. Handles (@name) are not stored.

    \b
      maia show dQw4w9WgXcQ
      maia show https://youtu.be/dQw4w9WgXcQ
      maia show UCuAXFkgsw1L7xaCfnd5JJOw --limit 20
      maia show -- -abcdefghij           (an id that begins with a hyphen)
    """
    try:
        named = parse_name(name)
    except UnknownName as error:
        raise typer.BadParameter(f"'{fitted(name, 60, pad=False)}': {error}") from None

    async def work() -> tuple[Video | Channel | None, dict[str, list[Point]]]:
        async with database.session():
            dao = DetailsDAO()
            if named.thing is Thing.VIDEO:
                return await dao.video(named.id), {}
            channel = await dao.channel(named.id, limit=limit)
            ids = [riser.video_id for riser in channel.fastest] if channel else []
            return channel, await GrowthDAO().curves(ids, most=13)

    found, curves = run(work)
    if found is None:
        typer.echo(_unknown(named), err=True)
        raise typer.Exit(1)
    if as_json:
        echo_json(_video_json(found, limit) if isinstance(found, Video) else _channel_json(found), indent=True)
        return
    console = Console(highlight=False)
    if isinstance(found, Video):
        _print_video(console, found, limit)
    else:
        _print_channel(console, found, curves)


def _unknown(named: Named) -> str:
    if named.thing is Thing.VIDEO:
        return f"maia: no video {named.id} is known: no search has listed it, or it was deleted since"
    return f"maia: no channel {named.id} is known: no video of it was found, or all were deleted since"


def _print_video(console: Console, video: Video, limit: int) -> None:
    now = clock.now()
    width = max(48, min(console.width, 120))
    _print_head(console, video.title or video.id, watch_url(video.id), width)
    _print_rows(console, _video_rows(video, now), width)
    for line in (*text_chart(video.curve, width=min(64, width - 10)), *_readings(video.curve, limit), CALCULATED):
        console.print(Text(line), soft_wrap=True)


def _print_head(console: Console, title: str, address: str, width: int) -> None:
    console.print(Text(fitted(title, width, pad=False), "bold"), soft_wrap=True)
    console.print(Text(address), soft_wrap=True)


def _print_rows(console: Console, rows: Iterable[tuple[str, str]], width: int) -> None:
    for label, value in rows:
        console.print(Text(f"{label:<{_LABEL}} {fitted(value, width - _LABEL - 1, pad=False)}"), soft_wrap=True)


def _video_rows(video: Video, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield what is known, line by line."""
    growth = video.growth
    yield "channel", f"{video.channel or 'title unknown'} ({video.channel_id})" if video.channel_id else "unknown"
    kind = growth.kind if growth else "kind known after two readings"
    length = "no length yet" if not video.duration else duration_text(video.duration)
    yield "kind", f"{kind}, {length}" + (f", category {video.category_id}" if video.category_id else "")
    if video.published_at:
        yield "published", f"{local(video.published_at)}, {duration_text(now - video.published_at)} ago"
    query = f" by the query '{video.found_by}'" if video.found_by else ""
    yield "found", f"{local(video.first_seen_at)}{query or ' by a query that is not recorded'}"
    if video.tags:
        yield "tags", ", ".join(video.tags)
    yield "metadata", f"read {_when(video.enriched_at)}; archived {_when(video.archived_at)}"
    yield "next reading", _next_reading(video, now)
    if video.observed_at is not None:
        counts = (("views", video.views), ("likes", video.likes), ("comments", video.comments))
        shown = ", ".join(f"{'hidden' if number is None else f'{number:,}'} {name}" for name, number in counts)
        yield "last reading", f"{local(video.observed_at)}: {shown}"
    if growth is not None:
        yield from _growth_rows(video, growth, now)
    for breakout in video.breakouts:
        yield "breakout", _breakout(breakout)


def _growth_rows(video: Video, growth: Riser, now: datetime) -> Iterator[tuple[str, str]]:
    rates = (("now", growth.views_per_hour), ("6 h", growth.views_per_hour_6h), ("24 h", growth.views_per_hour_24h))
    yield "views/hour", ", ".join(f"{name}: {compact(rate)}" for name, rate in rates if rate is not None)
    usual = growth.times_usual
    if usual is not None and growth.usual_per_hour is not None:
        yield "usual", f"{compact(growth.usual_per_hour)} an hour for its kind and age: now {compact(usual)} times that"
    if growth.score is not None:
        yield "score", f"{growth.score:.1f}"
    if video.rank is not None:
        place, videos = video.rank
        yield "rank", f"{place:,} of {videos:,} by views per hour, of its kind and age ({_AGES[video.zone]})"
    if text := forecasts(growth):
        yield "expected", f"{text} (with intervals of 80 %)"
    if text := mark(growth, now):
        yield "now", text


def _when(at: datetime | None) -> str:
    return local(at) if at else "never"


def _next_reading(video: Video, now: datetime) -> str:
    if video.retired_at is not None:
        return f"never: it is gone from YouTube since {local(video.retired_at)}"
    if video.due_at is None:
        return "none is planned"
    wait = "due now" if video.due_at <= now else f"in {duration_text(video.due_at - now)}"
    return f"{local(video.due_at)}, {wait} (zone {video.zone}, {_INTERVALS[video.zone]})"


def _breakout(breakout: Breakout) -> str:
    lasts = f"for {duration_text(breakout.ended_at - breakout.detected_at)}" if breakout.ended_at else "until now"
    usual = f", usual {compact(breakout.usual_per_hour)}" if breakout.usual_per_hour is not None else ""
    rates = f"{compact(breakout.views_per_hour)}/h{usual}, peak {compact(breakout.peak_views_per_hour)}"
    return f"{local(breakout.detected_at)} {lasts}: score {breakout.score:.1f}, {rates}"


def _readings(curve: Sequence[Point], limit: int) -> Iterator[str]:
    """Yield the lines of the last readings, the newest first."""
    if not curve:
        return
    shown = list(reversed(curve))[:limit]
    yield f"{'reading':<{_TIME}}{'views':>16}{'gained':>14}{'per hour':>12}"
    for place, point in enumerate(shown):
        before = curve[-place - 2] if place + 2 <= len(curve) else None
        yield f"{local(point.observed_at):<{_TIME}}{point.views:>16,}{_gained(before, point)}"


def _gained(before: Point | None, point: Point) -> str:
    if before is None:
        return ""
    gained, hours = point.views - before.views, (point.observed_at - before.observed_at).total_seconds() / 3600
    return f"{gained:>+14,}" + (f"{gained / hours:>+12,.0f}" if hours else "")


def _print_channel(console: Console, channel: Channel, curves: dict[str, list[Point]]) -> None:
    now = clock.now()
    width = max(48, min(console.width, 120))
    _print_head(console, channel.title or channel.id, f"https://www.youtube.com/channel/{channel.id}", width)
    rows = [("videos", f"{channel.videos:,}, of which {channel.tracked:,} are not gone")]
    if channel.first_seen_at:
        rows.append(("known since", local(channel.first_seen_at)))
    if channel.views is not None:
        rate = compact(channel.views_per_hour or 0)
        rows.append(("views", f"{channel.views:,}, {rate} an hour, of its videos with two readings"))
    _print_rows(console, rows, width)
    for rank, riser in enumerate(channel.fastest, 1):
        for line in riser_lines(riser, rank, curves.get(riser.video_id, ()), now, width=width):
            console.print(line, soft_wrap=True)
    if channel.unranked and not channel.fastest:
        console.print(Text("None of its videos has two readings yet:"))
        for id_ in channel.unranked:
            console.print(Text(watch_url(id_)))
    console.print(Text(CALCULATED), soft_wrap=True)


def _video_json(video: Video, limit: int) -> dict[str, Any]:
    return {
        "type": "video", "video_id": video.id, "url": watch_url(video.id), "title": video.title,
        "channel_id": video.channel_id, "channel": video.channel, "tags": list(video.tags),
        "category_id": video.category_id, "seconds": None if video.duration is None else video.duration.total_seconds(),
        "published_at": video.published_at, "first_seen_at": video.first_seen_at, "found_by": video.found_by,
        "enriched_at": video.enriched_at, "archived_at": video.archived_at, "zone": video.zone,
        "due_at": video.due_at, "retired_at": video.retired_at, "observed_at": video.observed_at,
        "views": video.views, "likes": video.likes, "comments": video.comments, "note": CALCULATED,
        "growth": video.growth and riser_json(video.growth, video.curve),
        "rank": video.rank and video.rank._asdict(),
        "breakouts": [
            {
                "detected_at": each.detected_at, "ended_at": each.ended_at, "score": each.score, "views": each.views,
                "views_per_hour": each.views_per_hour, "usual_per_hour": each.usual_per_hour,
                "peak_views_per_hour": each.peak_views_per_hour,
            }
            for each in video.breakouts
        ],
        "readings": [point._asdict() for point in video.curve[-limit:]],
    }  # fmt: skip


def _channel_json(channel: Channel) -> dict[str, Any]:
    return {
        "type": "channel", "channel_id": channel.id, "url": f"https://www.youtube.com/channel/{channel.id}",
        "title": channel.title, "first_seen_at": channel.first_seen_at, "videos": channel.videos,
        "tracked": channel.tracked, "views": channel.views, "views_per_hour": channel.views_per_hour,
        "note": CALCULATED, "fastest": [riser_json(riser) for riser in channel.fastest],
        "without_growth": list(channel.unranked),
    }  # fmt: skip
