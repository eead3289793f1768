"""Collect what the page of `maia report` shows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from atlas.adapters.growth import GrowthDAO, Point, VideoGrowth
from atlas.adapters.keys import KeyDAO, KeyReport
from atlas.adapters.overview import OverviewDAO
from atlas.adapters.report import ReportDAO, Tally
from atlas.adapters.report_page import Day, PageReader, ReportPageDAO, Sample
from atlas.clock import clock
from atlas.config import settings
from atlas.errors import MissingRight
from atlas.quota.buckets import quota_day, quota_reset
from maia import __version__
from maia.report.contents import (
    BreakInCollection,
    Counted,
    Head,
    Newest,
    Quota,
    RecentBreakout,
    Retention,
    Video,
    ZoneDay,
    ZoneFreshness,
)
from maia.report.payload import CURVES, POINTS, Encoder, Payload, to_json
from maia.report.sparklines import heights

__all__ = ["LIMIT", "SPARKLINE_DAYS", "Progress", "Report", "collect", "read_payload", "write_json"]

LIMIT = 100_000
"""Videos of a page."""
SPARKLINE_DAYS = 7
"""Sparklines go back no further: their readings are all read, in one pass."""
SAMPLE = 2_000
"""Videos from which days of zones and breaks are computed."""

_BREAKOUTS, _QUERIES, _RUNS, _GAPS, _FREEZES = 300, 50, 500, 100, 50
_CURVES_AT_ONCE = 50
_SNAPSHOTS = 5_000  # of one curve that are read at most

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Report:
    """The head, and the videos in a stream, the fastest first."""

    head: Head
    videos: AsyncIterator[Sequence[Video]]


async def read_payload(days: int, limit: int, progress: Progress) -> Payload:
    """Return the page's data. The database must be open.

    ``progress`` is called with a step, how much of it is done, and how much there is.
    """
    async with ReportPageDAO().reader() as reader:
        report = await collect(reader, days, limit, progress)
        encoder = Encoder(report.head.generated_at)
        async for batch in report.videos:
            encoder.add(batch)
            progress("videos", encoder.videos, report.head.videos)
        return encoder.payload(report.head)


async def write_json(write: Callable[[bytes], object], days: int, limit: int, progress: Progress) -> None:
    """Write the data as one JSON object, in pieces: ``report``, which is the head, and ``videos``."""
    async with ReportPageDAO().reader() as reader:
        report = await collect(reader, days, limit, progress)
        write(b'{"report":' + to_json(report.head) + b',"videos":[')
        separator = b"\n"
        async for batch in report.videos:
            for video in batch:
                write(separator + to_json(video_json(video)))
                separator = b",\n"
        write(b"\n]}\n")


def video_json(video: Video) -> dict[str, Any]:
    """Return a video as JSON; docs/report.md describes it."""
    fields_of = dict(zip(_NAMES, _values(video), strict=True))
    for name, forecast in (("forecast_24h", video.forecast_24h), ("forecast_7d", video.forecast_7d)):
        fields_of[name] = forecast and forecast._asdict()
    line = None if video.sparkline is None else list(video.sparkline)
    curve = [{"observed_at": at, "views": views} for at, views in video.curve]
    return fields_of | {"sparkline_from": video.sparkline_from, "sparkline": line, "curve": curve}


async def collect(reader: PageReader, days: int, limit: int, progress: Progress) -> Report:
    """Return the head, and the stream of videos from the reader's snapshot, which is to be read to its end."""
    now = clock.now()
    since = now - timedelta(days=days)
    progress("overview", 0, 0)
    ranked = await reader.count()
    head = await _head(now, days, videos=min(ranked, limit), left_out=max(0, ranked - limit), progress=progress)
    begin = now - timedelta(days=min(days, SPARKLINE_DAYS))
    return Report(head, _videos(reader, head, limit if head.left_out else None, since, begin, progress))


async def _videos(
    reader: PageReader, head: Head, limit: int | None, since: datetime, begin: datetime, progress: Progress
) -> AsyncIterator[Sequence[Video]]:
    if not head.videos:
        return
    lines: dict[str, tuple[int, bytes]] = {}
    async for readings in reader.readings(begin, limit):
        for video_id, minutes, views in readings:
            if (line := heights(minutes, views)) is not None:
                lines[video_id] = minutes[0], line
        progress("sparklines", len(lines), head.videos)
    shown = 0
    async for batch in reader.ranked(head.videos):
        videos = [_video(ranked, lines.pop(ranked.video_id, None), begin) for ranked in batch]
        with_curve = videos[: max(0, CURVES - shown)]
        for start in range(0, len(with_curve), _CURVES_AT_ONCE):
            progress("curves", shown + start, min(CURVES, head.videos))
            await _add_curves(with_curve[start : start + _CURVES_AT_ONCE], since)
        shown += len(videos)
        yield videos


async def _add_curves(videos: Sequence[Video], since: datetime) -> None:
    curves = await GrowthDAO().curves([video.video_id for video in videos], most=_SNAPSHOTS, since=since)
    for video in videos:
        # a video whose readings are all older than the days still has a row
        points = curves.get(video.video_id) or [Point(video.observed_at, video.views)]
        video.curve = thinned(points)


def thinned(points: Sequence[Point]) -> Sequence[Point]:
    """Return at most ``POINTS`` of a curve: the first, the last, and evenly chosen ones."""
    if len(points) <= POINTS:
        return points
    step = (len(points) - 1) / (POINTS - 1)
    return [points[round(place * step)] for place in range(POINTS)]


_NAMES = tuple(each.name for each in fields(VideoGrowth))
_values = attrgetter(*_NAMES)


def _video(ranked: VideoGrowth, line: tuple[int, bytes] | None, begin: datetime) -> Video:
    video = Video(*_values(ranked))
    if line is not None:
        video.sparkline_from, video.sparkline = begin + timedelta(minutes=line[0]), line[1]
    return video


async def _head(now: datetime, days: int, *, videos: int, left_out: int, progress: Progress) -> Head:
    zone = settings.display_time_zone
    since = now - timedelta(days=days)
    midnight = now.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight.date() - timedelta(days=days - 1)
    day_begin = datetime.combine(first, midnight.timetz())
    dao = ReportPageDAO()
    totals = await ReportDAO().totals()
    found = await dao.days(day_begin, now, zone)
    queries = await dao.queries(_QUERIES)
    breakouts_number, open_breakouts = await dao.breakouts_number(since)
    runs = await dao.runs(since, _RUNS)
    gaps = await dao.search_gaps(since, _GAPS)
    progress("sample of videos", 0, 0)
    sample = await dao.sample(SAMPLE, since, zone)
    zones, newest = await _zones(sample)
    tracked = _sum(totals.tracked.values())
    quota, quota_missing = await _quota(now)
    return Head(
        title=settings.report_title,
        version=__version__,
        generated_at=now,
        days=days,
        time_zone=zone,
        newest=newest,
        tracked=tracked,
        snapshots=_counted(totals.snapshots),
        channels=_counted(totals.channels),
        videos=videos,
        left_out=left_out,
        breakout_min_score=settings.breakout_min_score,
        breakout_min_views_per_hour=settings.breakout_min_views_per_hour,
        zones=zones,
        sample=sample.videos,
        sample_is_all=tracked.exact and sample.videos >= tracked.number,
        breakouts=[
            RecentBreakout(**{each.name: getattr(breakout, each.name) for each in fields(RecentBreakout)})
            for breakout in await GrowthDAO().breakouts(limit=_BREAKOUTS, since=since)
        ],
        breakouts_number=breakouts_number,
        open_breakouts=open_breakouts,
        discovery=[
            found.get(day, Day(day, 0, 0, 0)) for day in (first + timedelta(days=number) for number in range(days))
        ],
        queries=queries,
        queries_number=queries.number,
        quota=quota,
        quota_missing=quota_missing,
        runs=runs,
        runs_number=runs.number,
        search_gaps=gaps,
        search_gaps_number=gaps.number,
        breaks=[BreakInCollection(*ends) for ends in sample.breaks],
        freezes=await dao.freezes(since, _FREEZES),
        retention=Retention(
            settings.retention_statistics_days,
            settings.retention_metadata_days,
            settings.retention_retired_days,
            settings.retention_events_days,
        ),
    )


async def _zones(sample: Sample) -> tuple[list[ZoneFreshness], Newest]:
    overview = await OverviewDAO().read()
    zones = []
    for state in overview.zones:
        tracked, late = _counted(state.tracked), _counted(state.late)
        days = [ZoneDay(each.day, each.intervals, each.kept) for each in sample.days if each.zone == state.zone]
        zones.append(
            ZoneFreshness(
                state.zone,
                state.interval / _HOUR,
                state.promise / _HOUR,
                tracked,
                _counted(state.due),
                looked_at=tracked.number,
                fresh=max(0, tracked.number - late.number),
                days=days,
            )
        )
    at = overview.newest
    promised_by = at + overview.promise if at else None
    return zones, Newest(at, promised_by, late=promised_by is not None and promised_by < overview.at)


_HOUR = timedelta(hours=1)


async def _quota(now: datetime) -> tuple[list[Quota], str | None]:
    """Return the quota of the Pacific day, and why there is none."""
    try:
        calls = await ReportDAO().calls(quota_day(now))
    except MissingRight:
        return [], "this database user may not read the counts of calls"
    pool = settings.key_rings
    limits: dict[str, tuple[int, int]] = {}
    if pool.all_keys():
        try:
            limits = _limits(await KeyDAO().report(pool))
        except MissingRight:  # an analyst may not see keys
            limits = {}
    resets_at = quota_reset(now)
    quota = []
    for bucket, counted in calls.items():
        limit, left = limits.get(bucket, (None, None))
        quota.append(Quota(bucket, counted.spent, counted.refused, limit, left, resets_at))
    return quota, None


def _limits(reports: Sequence[KeyReport]) -> dict[str, tuple[int, int]]:
    """Return by bucket what all projects may spend a day, and what they have left."""
    limits: dict[str, tuple[int, int]] = {}
    for report in reports:
        for bucket in report.buckets:
            left = 0 if bucket.until else max(0, bucket.limit - bucket.spent)
            all_of_them, all_left = limits.get(bucket.bucket, (0, 0))
            limits[bucket.bucket] = all_of_them + bucket.limit, all_left + left
    return limits


def _counted(tally: Tally) -> Counted:
    return Counted(tally.likely, tally.exact)


def _sum(tallies: Iterable[Tally]) -> Counted:
    counts = [_counted(tally) for tally in tallies]
    return Counted(sum(count.number for count in counts), all(count.exact for count in counts))
