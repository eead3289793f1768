"""Series of counts as trackers meet them, and what the views must say of them, computed without SQL."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import asyncpg

from atlas.snapshots.partitions import create_missing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""When these tests begin, by the schedule clock."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Sample:
    """One snapshot."""

    at: datetime
    views: int | None
    likes: int | None = None
    comments: int | None = None


Series = dict[str, list[Sample]]


def generated(seed: int, videos: int = 40, *, until: datetime = NOW) -> Series:
    """Videos of all kinds, their snapshots within the 25 days before ``until``; the first ones are the edge cases."""
    chance = random.Random(seed)
    series = edges(until)
    for number in range(videos):
        kind = chance.choice(["hourly", "six-hourly", "daily", "irregular", "bursts"])
        at = until - timedelta(seconds=chance.randrange(0, 3 * 86400), microseconds=chance.randrange(1_000_000))
        views = chance.randrange(0, 10_000_000)
        samples = []
        for _ in range(chance.randrange(1, 60)):
            hidden = chance.random() < 0.05
            samples.append(
                Sample(
                    at,
                    None if hidden else views,
                    None if chance.random() < 0.3 else chance.randrange(1000),
                    None if chance.random() < 0.3 else chance.randrange(1000),
                )
            )
            at -= _step(kind, chance)
            if at < until - timedelta(days=25):
                break
            views = max(0, views - chance.randrange(-500, 20_000))  # backwards in time: mostly fewer, at times more
        series[f"{kind}-{seed}-{number:03}"] = samples[::-1]
    return series


def _step(kind: str, chance: random.Random) -> timedelta:
    regular = {"hourly": HOUR, "six-hourly": 6 * HOUR, "daily": DAY}
    if kind in regular:
        gap = 9 * regular[kind] if chance.random() < 0.05 else timedelta()
        return regular[kind] + gap + timedelta(seconds=chance.randrange(0, 300))
    if kind == "bursts" and chance.random() < 0.7:
        return timedelta(microseconds=chance.randrange(1, 5_000_000))
    return timedelta(seconds=chance.randrange(1, 4 * 86400))


def edges(until: datetime) -> Series:
    """The cases that a formula gets wrong."""
    midnight = until.replace(hour=0, minute=0, second=0, microsecond=0)
    tick = timedelta(microseconds=1)
    return {
        "none": [],
        "hidden": [Sample(until - hours * HOUR, None) for hours in (3, 2, 1)],
        "single": [Sample(until, 17, 1, 2)],
        "single-and-hidden": [Sample(until - HOUR, None, 5), Sample(until, 17), Sample(until + HOUR, None)],
        "zero": [Sample(until - DAY, 0), Sample(until, 0)],
        "fallen": [Sample(until - 2 * DAY, 1000), Sample(until - 7 * HOUR, 900), Sample(until, 10)],
        "exactly-6h-and-24h": [Sample(until - hours * HOUR, 100 - hours) for hours in (24, 6, 0)],
        "just-younger-than-6h": [Sample(until - 6 * HOUR + tick, 5), Sample(until, 50)],
        "just-older-than-24h": [Sample(until - DAY - tick, 5), Sample(until, 50)],
        "gap": [Sample(until - 20 * DAY, 5), Sample(until, 5_000_000)],
        "huge": [Sample(until - DAY, 2**62), Sample(until - HOUR, 2**62 + 1), Sample(until, 2**62 + 1000)],
        "edges-of-buckets": [
            Sample(midnight - tick, 1, 1, 1),
            Sample(midnight, 2, None, 2),
            Sample(midnight + HOUR - tick, 3, 3, None),
            Sample(midnight + HOUR, 4, 4, 4),
        ],
        "last-without-likes": [Sample(until - timedelta(minutes=5), 5, 7, 8), Sample(until, 6)],
    }


# ── what the views must say ─────────────────────────────────────────────────────────────────────────────────────────


def velocity(series: Series) -> list[dict[str, Any]]:
    """The rows of ``video_velocity``, by video."""
    return [row for video, samples in sorted(series.items()) if (row := _speed(video, samples)) is not None]


def _speed(video: str, samples: Iterable[Sample]) -> dict[str, Any] | None:
    known = sorted((sample.at, sample.views) for sample in samples if sample.views is not None)
    if not known:
        return None
    at, views = known[-1]

    def since(window: timedelta) -> float | None:
        start = at - window
        before = [point for point in known if point[0] <= start]
        if not before:
            return None
        (t0, v0), (t1, v1) = before[-1], known[len(before)]
        share = Fraction((start - t0) // timedelta(microseconds=1), (t1 - t0) // timedelta(microseconds=1))
        return float((views - (v0 + (v1 - v0) * share)) / Fraction(window // HOUR))

    steps = [(Fraction(v1 - v0), _hours(t1 - t0)) for (t0, v0), (t1, v1) in pairwise(known[-3:])]
    rate = steps[-1][0] / steps[-1][1] if steps else None
    acceleration = None
    if rate is not None and len(steps) == 2:
        (before, length), (_, last) = steps
        acceleration = (rate - before / length) / ((length + last) / 2)
    return {
        "video_id": video,
        "observed_at": at,
        "views": views,
        "previous_at": known[-2][0] if steps else None,
        "views_per_hour": None if rate is None else float(rate),
        "views_per_hour_6h": since(6 * HOUR),
        "views_per_hour_24h": since(DAY),
        "acceleration": None if acceleration is None else float(acceleration),
    }


def _hours(time: timedelta) -> Fraction:
    return Fraction(time // timedelta(microseconds=1), 3_600_000_000)


def buckets(series: Series, width: timedelta) -> list[dict[str, Any]]:
    """The rows of ``video_stats_hourly`` or ``video_stats_daily``, by video and time."""
    rows = []
    for video, samples in sorted(series.items()):
        by_bucket: dict[datetime, list[Sample]] = {}
        for sample in sorted(samples, key=lambda one: one.at):
            if sample.views is not None:
                start = sample.at.replace(minute=0, second=0, microsecond=0)
                by_bucket.setdefault(start if width == HOUR else start.replace(hour=0), []).append(sample)
        for bucket, inside in sorted(by_bucket.items()):
            counts = [sample.views for sample in inside if sample.views is not None]
            rows.append(
                {
                    "video_id": video,
                    "bucket": bucket,
                    "first_at": inside[0].at,
                    "last_at": inside[-1].at,
                    "first_views": counts[0],
                    "last_views": counts[-1],
                    "min_views": min(counts),
                    "max_views": max(counts),
                    "snapshots": len(counts),
                    "last_likes": inside[-1].likes,
                    "last_comments": inside[-1].comments,
                }
            )
    return rows


# ── on a server ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def store(connection: asyncpg.Connection, series: Series) -> None:
    """Writes the videos and their snapshots, in an order that is not theirs."""
    await connection.execute(
        "INSERT INTO videos (id, first_seen_at, zone) SELECT id, $2, 1 FROM unnest($1::text[]) AS id "
        "ON CONFLICT DO NOTHING",
        list(series), NOW,
    )  # fmt: skip
    rows = [(video, *vars(sample).values()) for video, samples in series.items() for sample in samples]
    random.Random(1).shuffle(rows)
    await connection.copy_records_to_table("video_stats_log", records=rows)


async def partition(connection: asyncpg.Connection) -> None:
    """On plain PostgreSQL, has the weeks before NOW in partitions of their own; TimescaleDB does so by itself."""
    if await connection.fetchval("SELECT relkind = 'p' FROM pg_class WHERE oid = 'video_stats_log'::regclass"):
        await create_missing(connection, NOW - timedelta(days=28), timedelta(days=7))
