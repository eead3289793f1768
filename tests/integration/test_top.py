"""`maia top` on a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

import pytest
from rich.cells import cell_len

from atlas.adapters.growth import GrowthDAO, Kind, Sort, Window
from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from atlas.db.queries import bind

from ..support.clock_settings import standing_at
from ..support.commands import Done, invoke_maia
from ..support.growth_rows import NOON, add_breakout, add_riser, insert_row

pytestmark = pytest.mark.integration


async def top(*options: str) -> Done:
    return await invoke_maia("top", *options, ATLAS_CLOCK=standing_at(NOON + timedelta(minutes=10)))


@pytest.fixture
async def videos(db: Database) -> None:
    """Four risers, one of them retired; the first two were found by queries."""
    await QueueDAO().add(["lofi hip hop", "rust 100% tutorial"])
    ids = {row["query_term"]: row["id"] for row in await db.fetch("SELECT id, query_term FROM search_queue")}
    await insert_row(
        db, "channels", id="UCaaaaaaaaaaaaaaaaaaaaaa", title="a channel", first_seen_at=NOON, updated_at=NOON
    )
    await add_riser(
        db, "fast_video1", 0, 100, 1_100, score=2.0, usual_per_hour=200.0, views_per_hour_6h=50.0,
        found_by=ids["lofi hip hop"], views_24h_low=10_400.0, views_24h=12_000.0, views_24h_high=15_600.0,
        views_7d_low=80_100.0, views_7d=99_000.0, views_7d_high=120_000.0,
    )  # fmt: skip
    await add_riser(
        db, "short_video", 10, 60, score=9.0, kind=2, views_per_hour_6h=70.0, found_by=ids["rust 100% tutorial"]
    )
    await add_riser(db, "falls_video", 900, 890)
    await add_riser(db, "gone_video1", 0, 9_000, retired_at=NOON)
    await add_riser(db, "once_video1", 5)
    await add_breakout(db, "short_video", at=NOON - timedelta(hours=2))
    await add_breakout(db, "fast_video1", at=NOON - timedelta(hours=9), ended_at=NOON - timedelta(hours=5))


async def test_three_lines_of_80_cells_say_what_takes_off(videos: None) -> None:
    done = await top()
    assert done.code == 0
    assert done.out.splitlines() == [
        "Fastest videos by views per hour between the last two readings",
        " 1. title of fast_video1                     ▁█            +1.0k/h      5x usual",
        "    a channel                   1.1k views  24h 12k (10k-16k)  7d 99k (80k-120k)",
        "    https://www.youtube.com/watch?v=fast_video1  4h 10m old",
        " 2. title of short_video                     ▁               +50/h",
        "    a channel                                                           60 views",
        "    https://www.youtube.com/watch?v=short_video  3h 10m old  BREAKOUT for 2h",
        " 3. title of falls_video                     ▁               -10/h",
        "    a channel                                                          890 views",
        "    https://www.youtube.com/watch?v=falls_video  3h 10m old",
        "Read 10m ago, at 2026-11-22T12:00Z. 24h, 7d: views expected at that age.",
        "Growth and forecasts: calculated by Maia from YouTube data; not YouTube's own.",
    ]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["fast_video1", "short_video", "falls_video"]),
        (["--limit", "1"], ["fast_video1"]),
        (["--sort", "score"], ["short_video", "fast_video1", "falls_video"]),
        (["--window", "6h"], ["short_video", "fast_video1", "falls_video"]),
        (["--min-views", "500"], ["fast_video1", "falls_video"]),
        (["--kind", "short"], ["short_video"]),
        (["--query", "LOFI"], ["fast_video1"]),
        (["--query", "100%"], ["short_video"]),
        (["--query", "%"], ["short_video"]),
        (["--kind", "live"], []),
    ],
)
async def test_options_choose_and_rank(videos: None, options: Sequence[str], found: list[str]) -> None:
    done = await top("--json", *options)
    answer = json.loads(done.out)
    assert [video["video_id"] for video in answer["videos"]] == found
    assert (answer["empty"] is None) == bool(found)
    assert "calculated by Maia" in answer["note"]


async def test_json_has_every_figure_of_a_video(videos: None) -> None:
    video, *_ = json.loads((await top("--json")).out)["videos"]
    assert video == {
        "video_id": "fast_video1", "url": "https://www.youtube.com/watch?v=fast_video1",
        "title": "title of fast_video1", "channel_id": "UCaaaaaaaaaaaaaaaaaaaaaa", "channel": "a channel",
        "kind": "video", "published_at": "2026-11-22T08:00:00.000000Z", "found_by": "lofi hip hop",
        "observed_at": "2026-11-22T12:00:00.000000Z", "views": 1100,
        "views_per_hour": 1000.0, "views_per_hour_6h": 50.0,
        "views_per_hour_24h": None, "usual_per_hour": 200.0, "times_usual": 5.0, "score": 2.0, "breakout_at": None,
        "forecast_24h": {"low": 10400.0, "expected": 12000.0, "high": 15600.0},
        "forecast_7d": {"low": 80100.0, "expected": 99000.0, "high": 120000.0}, "gains_per_hour": [100.0, 1000.0],
    }  # fmt: skip


async def test_growth_that_was_read_long_ago_says_so(videos: None) -> None:
    done = await invoke_maia("top", ATLAS_CLOCK=standing_at(NOON + timedelta(minutes=100)))
    assert done.out.splitlines()[3] == "    https://www.youtube.com/watch?v=fast_video1  5h 40m old  read 1h ago"
    # the mark of a breakout is more important
    assert done.out.splitlines()[6].endswith("short_video  read 1h ago  BREAKOUT for 3h")


async def test_an_empty_answer_says_what_to_do_and_when(db: Database) -> None:
    assert "There are no videos yet" in (await top()).out
    await add_riser(db, "once_video1", 5)
    out = (await top()).out
    assert "No video has two readings yet" in out
    assert "due at 2026-11-22T13:00Z, in 50m: run maia tracker then" in out
    await db.fetch("UPDATE videos SET due_at = $1", NOON)
    assert "due now: run maia tracker" in (await top()).out
    await db.fetch("UPDATE videos SET due_at = NULL")
    assert "No video is due" in (await top()).out
    await add_riser(db, "twice", 5, 6)
    done = await top("--query", "nothing")
    assert (done.code, done.out) == (
        0, "No video with two readings matches. Leave out --query, --kind or --min-views.\n",
    )  # fmt: skip


async def test_titles_of_all_kinds_keep_the_lines(db: Database) -> None:
    titles = [
        "한국어 제목 " * 9,
        "👨‍👩‍👧‍👦🇩🇪" * 40,
        "שלום עולם " * 20,
        "a\x1b[31m\nb\t::error::" * 9,
        "e" + "\u0301" * 999,
        "x" * 5_000,
    ]
    for number, title in enumerate(titles):
        await add_riser(db, f"v{number}", 0, 100 - number, title=title)
    lines = (await top()).out.splitlines()
    firsts = lines[1:-2:3]
    assert len(firsts) == len(titles)
    assert {cell_len(line) for line in firsts} == {cell_len(firsts[-1])}, "the figures begin in one column"
    assert max(map(cell_len, lines)) <= 80
    assert not any(char in "".join(lines) for char in "\x1b\t")


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("query", [None, "lofi"])
async def test_a_ranking_reads_no_wide_table_whole(db: Database, sort: Sort, query: str | None) -> None:
    await db.fetch(
        "INSERT INTO videos (id, first_seen_at, zone) SELECT 'v' || n, now(), 3 FROM generate_series(1, 20000) AS n"
    )
    await db.fetch(
        "INSERT INTO video_growth (video_id, observed_at, kind, views, views_per_hour, found_by) "
        "SELECT 'v' || n, now(), 1 + n % 3, n, n, n % 7 FROM generate_series(1, 20000) AS n"
    )
    await db.fetch("ANALYZE videos, video_growth, search_queue, breakouts")
    statement, *values = bind(
        "growth/rank_videos", period=Window.HOUR, min_views=0, kind=None, query=query, ids=None,
        by_score=sort is Sort.SCORE, limit=20, retired=False,
    )  # fmt: skip
    plan = "\n".join(row[0] for row in await db.fetch(f"EXPLAIN {statement}", *values))
    assert plan.count("Seq Scan on video_growth") == 1
    assert "Seq Scan on videos" not in plan
    assert "Seq Scan on video_stats_log" not in plan


async def test_ids_and_kinds_of_the_dao(videos: None) -> None:
    found = await GrowthDAO().risers(ids=["short_video", "falls_video", "none"])
    assert {riser.video_id: riser.kind for riser in found} == {"short_video": Kind.SHORT, "falls_video": Kind.VIDEO}
