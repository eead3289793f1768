"""`maia show` on a real PostgreSQL."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.database import Database

from ..support.clock_settings import standing_at
from ..support.commands import Done, invoke_maia
from ..support.growth_rows import NOON, add_breakout, add_riser, insert_row

pytestmark = pytest.mark.integration

CHANNEL = "UCaaaaaaaaaaaaaaaaaaaaaa"


async def show(*words: str) -> Done:
    return await invoke_maia("show", *words, ATLAS_CLOCK=standing_at(NOON + timedelta(minutes=9, seconds=30)))


@pytest.fixture
async def videos(db: Database) -> None:
    """A video with all that can be known, slower ones beside it, and one with a single reading."""
    await QueueDAO().add(["Lofi Hip Hop"])
    (query,) = await db.fetch("SELECT id FROM search_queue")
    await insert_row(db, "channels", id=CHANNEL, title="a channel", first_seen_at=NOON, updated_at=NOON)
    await add_riser(
        db, "fast_video1", 0, 100, 1_100, found_by=query["id"], score=7.5, usual_per_hour=200.0,
        views_per_hour_6h=400.0, views_7d_low=80_100.0, views_7d=99_000.0, views_7d_high=120_000.0,
    )  # fmt: skip
    await db.fetch(
        "UPDATE videos SET tags = '{lofi,\x1b[31mred}', category_id = 10, duration = '4 minutes', enriched_at = $1 "
        "WHERE id = 'fast_video1'",
        NOON,
    )
    await add_riser(db, "slow_video1", 10, 60)
    await add_riser(db, "short_video", 10, 9_000, kind=2)
    await add_riser(db, "gone_video1", 10, 9_000, retired_at=NOON)
    await add_riser(db, "once_video1", 5)
    await add_breakout(db, "fast_video1", at=NOON - timedelta(hours=2))


async def test_everything_known_of_a_video(videos: None) -> None:
    done = await show("https://youtu.be/fast_video1?si=x")
    assert done.code == 0
    assert done.out.splitlines()[:17] == [
        "title of fast_video1",
        "https://www.youtube.com/watch?v=fast_video1",
        f"channel       a channel ({CHANNEL})",
        "kind          video, 4m, category 10",
        "published     2026-11-22T08:00Z, 4h 9m ago",
        "found         2026-11-22T08:00Z by the query 'Lofi Hip Hop'",
        "tags          lofi, [31mred",
        "metadata      read 2026-11-22T12:00Z; archived never",
        "next reading  2026-11-22T13:00Z, in 50m (zone 1, every hour)",
        "last reading  2026-11-22T12:00Z: 1,100 views, hidden likes, hidden comments",
        "views/hour    now: 1.0k, 6 h: 400",
        "usual         200 an hour for its kind and age: now 5 times that",
        "score         7.5",
        "rank          1 of 2 by views per hour, of its kind and age (under 24 h)",
        "expected      7d 99k (80k-120k) (with intervals of 80 %)",
        "now           BREAKOUT for 2h",
        "breakout      2026-11-22T10:00Z until now: score 9.5, 800/h, usual 80, peak 900",
    ]
    assert done.out.splitlines()[-5:] == [
        "reading                              views        gained    per hour",
        "2026-11-22T12:00Z                    1,100        +1,000      +1,000",
        "2026-11-22T11:00Z                      100          +100        +100",
        "2026-11-22T10:00Z                        0",
        "Growth and forecasts: calculated by Maia from YouTube data; not YouTube's own.",
    ]
    assert max(map(len, done.out.splitlines())) <= 80


async def test_a_video_with_one_reading_and_one_that_is_gone(videos: None) -> None:
    once, gone = (await show("once_video1")).out, (await show("gone_video1")).out
    assert "kind known after two readings" in once
    assert "rank" not in once
    assert "never: it is gone from YouTube since 2026-11-22T12:00Z" in gone
    assert "views/hour    now: 9.0k" in gone


async def test_json_has_what_is_known(videos: None) -> None:
    video = json.loads((await show("fast_video1", "--json", "--limit", "2")).out)
    assert (video["type"], video["seconds"], video["found_by"]) == ("video", 240, "Lofi Hip Hop")
    assert video["rank"] == {"place": 1, "videos": 2}
    assert video["growth"]["gains_per_hour"] == [100, 1000]
    assert [reading["views"] for reading in video["readings"]] == [100, 1100]
    assert video["breakouts"][0]["detected_at"] == "2026-11-22T10:00:00.000000Z"
    live = json.loads((await show("once_video1", "--json")).out)
    assert (live["seconds"], live["growth"], live["rank"], live["breakouts"]) == (None, None, None, [])


async def test_a_channel_has_totals_and_its_videos_the_fastest_first(videos: None) -> None:
    out = (await show(f"https://www.youtube.com/channel/{CHANNEL}", "--limit", "2")).out
    assert "videos        5, of which 4 are not gone" in out
    assert "views         19,160, 19.0k an hour, of its videos with two readings" in out
    assert out.index("short_video") < out.index("fast_video1")
    assert "slow_video1" not in out
    channel = json.loads((await show(CHANNEL, "--json")).out)
    assert [video["video_id"] for video in channel["fastest"]] == ["short_video", "fast_video1", "slow_video1"]
    assert channel["without_growth"] == ["once_video1"]


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("aaaaaaaaaaa", 1, "no video aaaaaaaaaaa is known"),
        ("UCbbbbbbbbbbbbbbbbbbbbbb", 1, "no channel UCbbbbbbbbbbbbbbbbbbbbbb is known"),
        ("@handle", 2, "handles and names of channels are not stored"),
        ("https://vimeo.com/1", 2, "not of YouTube"),
    ],
)
async def test_what_is_not_known_is_an_error(db: Database, name: str, code: int, said: str) -> None:
    done = await show(name)
    assert (done.code, done.out) == (code, "")
    assert said in " ".join(done.stderr.split())
