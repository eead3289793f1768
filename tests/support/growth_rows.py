"""Videos with growth, as the Tracker's cycles leave them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from atlas.database import Database

__all__ = ["NOON", "add_breakout", "add_riser", "insert_row"]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def insert_row(db: Database, table: str, **columns: Any) -> None:
    """Insert a row; the values are literals of the test."""
    names = ", ".join(columns)
    numbers = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    await db.fetch(f"INSERT INTO {table} ({names}) VALUES ({numbers})", *columns.values())


async def add_riser(
    db: Database,
    id_: str,
    *views: int,
    at: datetime = NOON,
    title: str | None = None,
    channel: str = "UCaaaaaaaaaaaaaaaaaaaaaa",
    found_by: int | None = None,
    retired_at: datetime | None = None,
    **growth: Any,
) -> None:
    """Add a video with a snapshot an hour until ``at``, and its growth if there are two."""
    born = at - timedelta(hours=len(views) + 1)
    await insert_row(
        db, "videos", id=id_, title=title or f"title of {id_}", channel_id=channel, published_at=born,
        first_seen_at=born, last_updated_at=at, zone=1, due_at=None if retired_at else at + timedelta(hours=1),
        retired_at=retired_at, found_by=found_by,
    )  # fmt: skip
    for hours, number in enumerate(reversed(views)):
        observed = at - timedelta(hours=hours)
        await insert_row(db, "video_stats_log", video_id=id_, observed_at=observed, views=number)
    if len(views) > 1:
        given = {"kind": 1, "views_per_hour": float(views[-1] - views[-2]), "found_by": found_by} | growth
        await insert_row(db, "video_growth", video_id=id_, observed_at=at, views=views[-1], **given)


async def add_breakout(db: Database, video_id: str, *, at: datetime = NOON, ended_at: datetime | None = None) -> None:
    """Add a breakout; without an end it is open."""
    await insert_row(
        db, "breakouts", video_id=video_id, detected_at=at, score=9.5, views=1000, views_per_hour=800.0,
        usual_per_hour=80.0, peak_views_per_hour=900.0, ended_at=ended_at,
    )  # fmt: skip
