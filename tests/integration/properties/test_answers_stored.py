"""Damaged answers over real HTTP to real agents on a real database: the good is stored, the archive holds what came."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from atlas.models.youtube import Video
from atlas.vault.records import decode
from maia.hunter import run_hunter_cycle
from maia.tracker import run_tracker_cycle

from ...support import youtube_bodies as bodies
from ...support.examples import examples
from ...support.json_damage import Place, damaged, is_json, odd_values, places, put, said, same, written

pytestmark = pytest.mark.integration

IDS = [f"video-{n:05}" for n in range(6)]
ODD = odd_values().filter(is_json)
USABLE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


_EARLY, _LATE = "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"
_TEXTS = (("snippet", "title"), ("snippet", "channelTitle"), ("snippet", "tags", 0))
_COUNTS = (("statistics", "viewCount"), ("statistics", "likeCount"), ("statistics", "commentCount"))
HARD: list[tuple[Place, object]] = [
    *((place, text) for place in _TEXTS for text in ("a\0b", "\ud83d")),
    *((place, count) for place in _COUNTS for count in (2**63, str(2**64), "-1", "9" * 5000)),
    *((("snippet", "categoryId"), number) for number in (2**31, "-1")),
    *((("snippet", "publishedAt"), time) for time in (_EARLY, _LATE, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")),
    *((("contentDetails", "duration"), text) for text in ("P999999999D", "P999999999W", "PT999999999H")),
    (("snippet", "channelId"), "a/b\0"),
]
"""Places of a resource, and what no column takes that they are stored in, or only just."""


class Answers:
    """A server that gives to each path what it is told to."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return web.Response(body=self.bodies[request.path], content_type="application/json")


@pytest.fixture
async def api(db: Database, vault_folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Answers]:
    """The server; the settings name it, a key of each ring and the vault."""
    answers = Answers()
    app = web.Application()
    app.router.add_get("/{name:.*}", answers.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    monkeypatch.setenv("YOUTUBE_API_BASE_URL", f"http://{host}:{port}")
    monkeypatch.setenv("YOUTUBE_API_KEY_POOL_JSON", json.dumps({"hunting": ["hunting-1"], "tracking": ["tracking-1"]}))
    settings.reload()
    yield answers
    await runner.cleanup()


def video(id_: str, number: int) -> dict[str, Any]:
    """A video whose values nobody takes for another's."""
    found = bodies.video(id_, viewCount=str(1000 + number), likeCount=str(number), commentCount="0")
    found["snippet"] |= {"title": f"Title {number}", "tags": [f"tag {number}"], "channelId": f"UC-{number}"}
    found["brandNew"] = {"of": [1, None]}
    return found


def usable(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 64 and set(value) <= USABLE


@st.composite
def listings(draw: st.DrawFn, items: list[dict[str, Any]]) -> tuple[list[Any], dict[str, Any]]:
    """The items, some damaged, doubled, gone or followed by odd ones; and those that are as they were, by their ids."""
    listed: list[Any] = []
    whole: dict[str, Any] = {}
    for number, item in enumerate(items):
        fate = draw(st.sampled_from(("kept", "damaged", "hard", "hard", "doubled", "gone")))
        if fate in {"kept", "doubled"}:
            listed += [item] * (1 + (fate == "doubled"))
            whole[IDS[number]] = item
        elif fate == "hard":
            broken = copy.deepcopy(item)
            there = set(places(broken))
            fitting = [(place, value) for place, value in HARD if place in there]
            for place, value in draw(st.lists(st.sampled_from(fitting), min_size=1, max_size=3)) if fitting else ():
                put(broken, place, value)
            listed.append(broken)
        elif fate == "damaged":
            broken = draw(damaged(item, most=3, odd=ODD)).document
            # what names another video of this page would stand for that one
            if is_json(broken) and named(broken) in {None, IDS[number]}:
                listed.append(broken)
        if draw(st.integers(0, 4)) == 4:
            listed.append(copy.deepcopy(draw(ODD)))
    return listed, whole


def named(resource: object) -> str | None:
    """Which video an item names, in a search result too."""
    id_ = resource.get("id") if isinstance(resource, dict) else None
    id_ = id_.get("videoId") if isinstance(id_, dict) else id_
    return id_ if usable(id_) else None


async def empty(db: Database, vault_folder: Path) -> None:
    await db.fetch("TRUNCATE search_queue, videos, channels, video_stats_log, api_calls, events")
    shutil.rmtree(vault_folder, ignore_errors=True)


async def rows(db: Database) -> dict[str, dict[str, Any]]:
    """The videos with their last snapshot."""
    found = await db.fetch(
        "SELECT videos.*, log.views, log.likes, log.snapshots FROM videos LEFT JOIN LATERAL ("
        " SELECT (array_agg(views ORDER BY observed_at DESC))[1] AS views,"
        " (array_agg(likes ORDER BY observed_at DESC))[1] AS likes, count(*) AS snapshots"
        " FROM video_stats_log WHERE video_id = videos.id) AS log ON true"
    )
    return {row["id"]: dict(row) for row in found}


def archived(vault_folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in vault_folder.glob("metadata/*/*.json")}


def by_id(body: bytes) -> Iterator[tuple[str, Any]]:
    """Whose metadata an answer of videos.list holds, as it came; of two the last."""
    return iter({id_: item for item in said(body)["items"] if (id_ := named(item))}.items())


@examples(60)
@given(data=st.data())
async def test_the_hunter_stores_what_is_good_of_a_damaged_page(
    db: Database, api: Answers, vault_folder: Path, data: st.DataObject
) -> None:
    """Every result that names a video is stored, with its metadata where that came; the archive holds it as it came.

    Seen to catch: NUL left in texts; half surrogate pairs left in titles; a count and a category beyond their columns.
    """
    await empty(db, vault_folder)
    found, _ = data.draw(listings([bodies.search_result(id_) for id_ in IDS]))
    details, whole = data.draw(listings([video(id_, number) for number, id_ in enumerate(IDS)]))
    token = data.draw(st.sampled_from((None, "TOKEN", "T\0", "\ud800", "x" * 10_000, 5)))
    api.bodies["/search"] = written({"kind": "youtube#searchListResponse", "items": found, "nextPageToken": token})
    api.bodies["/videos"] = written({"kind": "youtube#videoListResponse", "items": details})
    await QueueDAO().add(["query"])
    stats = await run_hunter_cycle(1)
    assert (stats["outcome"], stats["searches"], stats["failed"]) == ("ok", 1, 0)
    stored = await rows(db)
    # "id" of a search result may be damaged into a text: that is no search result's
    searched = {item["id"]["videoId"] for item in found if named(item) and isinstance(item["id"], dict)}
    assert stored.keys() == searched
    records = archived(vault_folder)
    came = dict(by_id(api.bodies["/videos"]))
    for id_, row in stored.items():
        assert row["lease_token"] is None
        if id_ in came and isinstance(came[id_]["id"], str):
            assert row["enriched_at"] is not None
            assert row["snapshots"] == 1
            assert (row["archived_at"] is not None) == (id_ in records)
        if id_ in records:
            record = decode(records[id_])
            assert same({**came[id_], "_maia": record["_maia"]}, record)
        if id_ in whole:
            number = IDS.index(id_)
            assert (row["title"], row["tags"], row["views"], row["likes"]) == (
                f"Title {number}",
                [f"tag {number}"],
                1000 + number,
                number,
            )
            assert row["duration"] == timedelta(minutes=4, seconds=13)
            assert id_ in records
    (topic,) = await db.fetch("SELECT * FROM search_queue WHERE query_term = 'query'")
    assert topic["lease_token"] is None
    assert (topic["status"] == "active") == (token not in {None, 5})


@examples(40)
@given(data=st.data())
async def test_the_tracker_stores_what_is_good_of_a_damaged_answer(
    db: Database, api: Answers, vault_folder: Path, data: st.DataObject
) -> None:
    """Counts that came are stored, odd ones are NULL, and what an answer left out is asked for once more.

    Seen to catch: a count beyond bigint, which cost the whole batch.
    """
    await empty(db, vault_folder)
    items = [video(id_, number) for number, id_ in enumerate(IDS)]
    await MaiaDAO().ingest_video_metadata([Video.from_resource(item) for item in items])
    await db.fetch("UPDATE video_stats_log SET observed_at = observed_at - interval '2 hours'")
    await db.fetch("UPDATE videos SET due_at = now() - interval '1 minute'")
    given_ = [bodies.video_stats(id_, viewCount=str(5000 + number)) for number, id_ in enumerate(IDS)]
    listed, whole = data.draw(listings(given_))
    api.bodies["/videos:batchGetStats"] = written({"kind": "youtube#batchGetStatsResponse", "items": listed})
    api.bodies["/videos"] = written({"kind": "youtube#videoListResponse", "items": items})
    stats = await run_tracker_cycle(50)
    assert (stats["outcome"], stats["updated"], stats["failed"]) == ("ok", len(IDS), 0)
    told = {named(item) for item in said(api.bodies["/videos:batchGetStats"])["items"]}
    for number, (id_, row) in enumerate(sorted((await rows(db)).items())):
        assert row["lease_token"] is None
        assert row["retired_at"] is None
        assert row["snapshots"] == 2
        if id_ in whole:
            assert row["views"] == 5000 + number
        elif id_ not in told:
            assert row["views"] == 1000 + number
