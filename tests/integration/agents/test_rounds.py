"""Search rounds against answers that are late, empty, endless or longer than YouTube lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from maia.hunter import run_hunter_cycle
from youtube_sandbox import RunningSandbox, server
from youtube_sandbox.catalogue import Catalogue, Shelf
from youtube_sandbox.curves import ShapedCurve
from youtube_sandbox.endpoints import ROUTES, EndpointResult, Route
from youtube_sandbox.ids import channel_id
from youtube_sandbox.model import Channel, Video

from ...support.agents import NOON, Timeline, assert_every_call_is_counted, fetch, nothing_is_claimed, value

pytestmark = pytest.mark.integration

STEADY = "steady"
PAGES = "football"  # more than 50 results in the last 24 h of the sandbox's own world


@pytest.fixture(autouse=True)
def only_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what is beside them: new queries and the archive."""
    monkeypatch.setenv("HUNTER_TAGS_PER_VIDEO", "0")
    monkeypatch.setenv("VAULT_PROVIDER", "off")
    settings.reload()


class SteadyWorld(Catalogue):
    """Videos at even distances, newest last, all of them found by the query "steady"."""

    def __init__(self, number: int, first: datetime, distance: timedelta) -> None:
        super().__init__()
        title = "A steady channel"
        self._channel = Channel(channel_id("steady", title), title, "", "@steady", 0, "US", 1, 1.0, 0)
        times = [int((first + distance * place).timestamp()) for place in range(number)]
        self.videos = {f"steady{place:05d}": self._video(f"steady{place:05d}", at) for place, at in enumerate(times)}
        self._shelf = Shelf(list(self.videos.values()))

    def _video(self, id_: str, at: int) -> Video:
        curve = ShapedCurve.draw(Random(1), born=at, popularity=1.0, hide_likes=False, hide_comments=False)
        return Video(id_, self._channel, f"Steady video {id_}", "", (), 28, at, 60, curve)

    def shelves(self, after: float | None, before: float) -> Iterator[Shelf]:
        yield self._shelf

    def find_video(self, identifier: str, at: float) -> Video | None:
        video = self.videos.get(identifier)
        return video if video is not None and video.published <= at else None

    def channel(self, identifier: str) -> Channel | None:
        return self._channel if identifier == self._channel.id else None

    def describe(self) -> dict[str, Any]:
        return {"kind": "steady"}


@pytest.fixture
def steady(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SteadyWorld:
    """The world of the sandbox that starts after this; the parameter: how many videos, from when on, how far apart."""
    world = SteadyWorld(*request.param)
    monkeypatch.setattr(server, "_world", lambda _config, _now: world)
    return world


Documents = dict[str, Callable[[int], dict[str, Any] | None]]


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch) -> Documents:
    """What the sandbox answers to a query, by the number of the call from 0; None, or no entry: its own answer."""
    given: Documents = {}
    asked: dict[str, int] = {}
    own = ROUTES["search"]

    def answer(parameters: Any, world: Catalogue, at: float, call: int) -> EndpointResult:
        query = parameters.text("q") or ""
        number = asked[query] = asked.get(query, -1) + 1
        document = given[query](number) if query in given else None
        if document is None:
            return own.answer(parameters, world, at, call)
        ids = [item["id"]["videoId"] for item in document["items"] if item["id"].get("videoId")]
        return EndpointResult(json.loads(json.dumps(document)), ids)

    monkeypatch.setitem(server.ROUTES, "search", Route(own.name, own.path, own.bucket, answer))  # type: ignore[arg-type]
    return given


@pytest.fixture
def case(shared_data: Path) -> Callable[[str], dict[str, Any]]:
    """Reads a case of the shared data."""
    return lambda name: json.loads((shared_data.parent / "cases" / name).read_text())["body"]  # type: ignore[no-any-return]


async def add(*queries: str) -> None:
    await QueueDAO().add(list(queries))


async def topic(db: Database, query: str) -> dict[str, Any]:
    (row,) = await fetch(db, "SELECT * FROM search_queue WHERE query_term = $1", query)
    return row


async def gaps(db: Database) -> list[tuple[datetime, datetime, str]]:
    rows = await fetch(db, "SELECT payload FROM events WHERE type = 'search_gap' ORDER BY id")
    return [
        (*(datetime.fromisoformat(row["payload"][end]) for end in ("published_after", "published_before")),
         row["payload"]["reason"])
        for row in rows
    ]  # fmt: skip


def windows(api: RunningSandbox) -> list[tuple[datetime, datetime]]:
    """The windows that were asked, oldest call first."""
    return [
        (datetime.fromisoformat(e.params["publishedAfter"]), datetime.fromisoformat(e.params["publishedBefore"]))
        for e in api.log.calls("search")
    ]


async def one_round(db: Database, timeline: Timeline, query: str, *, most: int = 100) -> int:
    """Runs cycles a minute apart until the query rests. Returns how many."""
    for number in range(1, most + 1):
        await run_hunter_cycle(1)
        if (await topic(db, query))["status"] == "waiting":
            return number
        timeline.advance(minutes=1)
    pytest.fail(f"the round of '{query}' does not end")


# ── page tokens that never end ──────────────────────────────────────────────────────────────────────────────────────


async def test_the_same_answer_for_ever_ends_its_round_and_others_are_searched(
    documents: Documents, db: Database, api: RunningSandbox, timeline: Timeline, case: Callable[[str], dict[str, Any]]
) -> None:
    timeline.set(datetime(2026, 11, 29, 12, tzinfo=UTC))
    body = case("search_page_token_never_ends.json")
    documents["cats"] = lambda _: body
    await add("cats")
    await db.fetch("INSERT INTO search_queue (query_term, priority, source, added_at) VALUES ('rust', 1, 'tag', now())")
    for _ in range(5):
        await run_hunter_cycle(1)
        timeline.advance(minutes=1)
    assert [entry.params["q"] for entry in api.log.calls("search")] == ["cats", "cats", "rust"]
    [(after, before, reason)] = await gaps(db)
    assert (after, before) == (windows(api)[0][0], datetime(2026, 11, 29, 7, tzinfo=UTC))
    assert reason == "YouTube repeats the page token"
    assert await value(db, "SELECT count(*) FROM videos WHERE id IN ('aaaaaaaaaaa', 'bbbbbbbbbbb')") == 2
    assert (await topic(db, "cats"))["next_page_token"] is None
    assert await nothing_is_claimed(db)
    await assert_every_call_is_counted(db, api)


# ── what is listed late ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("steady", [(200, NOON - timedelta(hours=6), timedelta(minutes=10))], indirect=True)
@pytest.mark.parametrize("api", [{"listing_lag": 40 * 60.0}], indirect=True)
async def test_videos_that_are_listed_late_are_found_all_the_same(
    steady: SteadyWorld, db: Database, api: RunningSandbox, timeline: Timeline
) -> None:
    await add(STEADY)
    end = NOON + timedelta(minutes=10) * 200
    while timeline.at < end:
        await one_round(db, timeline, STEADY)
        timeline.set((await topic(db, STEADY))["due_at"] + timedelta(minutes=1))
    assert {row["id"] for row in await fetch(db, "SELECT id FROM videos")} == set(steady.videos)
    enriched = [id_ for entry in api.log.calls("videos") for id_ in entry.ids]
    assert len(enriched) == len(set(enriched)) == 200, "known videos cost no units"
    rounds = list(dict.fromkeys(windows(api)))
    assert {before - later for (_, before), (later, _) in pairwise(rounds)} == {timedelta(hours=1)}
    assert len(rounds) > 4


# ── answers without results ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "odd",
    [
        None,
        {"results": [{"id": "x"}]},
        {"pageInfo": {"totalResults": 2**63}},
        {"pageInfo": {"totalResults": "many"}},
    ],
    ids=["the shared case", "elsewhere", "too many", "no number"],
)
async def test_an_empty_answer_that_claims_results_is_asked_again(
    documents: Documents, db: Database, api: RunningSandbox, timeline: Timeline, case: Callable[[str], dict[str, Any]],
    odd: dict[str, Any] | None,
) -> None:  # fmt: skip
    empty = {"kind": "youtube#searchListResponse", "pageInfo": {"totalResults": 0, "resultsPerPage": 0}, "items": []}
    body = case("search_empty_but_total.json") if odd is None else empty | odd
    documents["rust"] = lambda number: body if number == 0 else None
    await add("rust")
    stats = await run_hunter_cycle(1)
    assert (stats["searches"], stats["unread"], stats["videos_found"], stats["outcome"]) == (1, 1, 0, "ok")
    assert (await run_hunter_cycle(1))["outcome"] == "idle", "not at once"
    timeline.advance(minutes=11)
    assert (await run_hunter_cycle(1))["videos_new"] > 0
    first, second = windows(api)
    assert second == first
    row = await topic(db, "rust")
    assert (row["round_ended_at"], row["rounds_without_new"]) == (first[1], 0)
    assert await gaps(db) == []
    await assert_every_call_is_counted(db, api)


@pytest.mark.parametrize("fault", ["empty-items", "unreadable-items"])
async def test_a_window_that_stays_empty_is_given_up_after_a_bounded_number_of_answers(
    db: Database, api: RunningSandbox, timeline: Timeline, fault: str
) -> None:
    api.faults.add(f"{fault}:search:times=4")
    await add("rust")
    for _ in range(4):
        assert (await run_hunter_cycle(1))["unread"] == 1
        row = await topic(db, "rust")
        timeline.set(row["due_at"] + timedelta(seconds=1))
    assert len(set(windows(api))) == 1
    assert row["due_at"] - row["last_searched_at"] == timedelta(hours=6), "its rest is not doubled"
    assert (row["round_ended_at"], row["rounds_without_new"], row["published_before"]) == (None, 0, None)
    [(after, before, reason)] = await gaps(db)
    assert (after, before) == windows(api)[0]
    assert "4 answers without readable results" in reason
    assert (await run_hunter_cycle(1))["videos_new"] > 0, "the next round begins with that window, as far as it reaches"
    begin, end = windows(api)[-1]
    assert (begin, begin < windows(api)[0][1]) == (end - timedelta(hours=24), True)
    assert await nothing_is_claimed(db)


async def test_results_that_cannot_be_read_cost_only_themselves_and_an_empty_last_page_ends_the_round(
    documents: Documents, db: Database, api: RunningSandbox, timeline: Timeline, case: Callable[[str], dict[str, Any]]
) -> None:
    body, empty = case("search_page_token_never_ends.json"), case("search_empty_but_total.json")
    one, broken = body["items"][0], {"kind": "youtube#searchResult", "id": {"kind": "youtube#video"}}
    documents["cats"] = lambda number: empty if number else {**body, "items": [one, broken]}
    await add("cats")
    stats = await run_hunter_cycle(1)
    assert (stats["videos_found"], stats["unreadable"]) == (1, 1)
    assert await value(db, "SELECT id FROM videos") == "aaaaaaaaaaa"
    assert await one_round(db, timeline, "cats") == 1
    assert await gaps(db) == []
    assert (await topic(db, "cats"))["round_ended_at"] is not None


# ── more than 500 results ───────────────────────────────────────────────────────────────────────────────────────────

MANY = 1_700  # in 24 h, the window of the first round


@pytest.mark.parametrize("steady", [(MANY, NOON - timedelta(seconds=50 * MANY), timedelta(seconds=50))], indirect=True)
@pytest.mark.parametrize(("pages", "whole"), [(20, False), (60, True)])
async def test_a_round_goes_on_past_500_results_and_what_it_gives_up_is_one_gap(
    steady: SteadyWorld, db: Database, api: RunningSandbox, timeline: Timeline, monkeypatch: pytest.MonkeyPatch,
    pages: int, whole: bool,
) -> None:  # fmt: skip
    api.quota.limits.update(dict.fromkeys(api.quota.limits, 10_000))
    monkeypatch.setenv("HUNTER_MAX_PAGES_PER_ROUND", str(pages))
    settings.reload()
    await add(STEADY)
    read = await one_round(db, timeline, STEADY)
    (after, before) = windows(api)[0]
    stored = {row["id"]: row["published_at"] for row in await fetch(db, "SELECT id, published_at FROM videos")}
    newest_first = sorted(steady.videos, reverse=True)
    assert sorted(stored, reverse=True) == newest_first[: len(stored)], "what is read has no hole"
    if whole:
        assert len(stored) == MANY
        assert await gaps(db) == []
        assert read < pages
    else:
        assert read == pages
        assert len(stored) == 2 * 500 - 1, "a slice begins with the second at which the last one ended"
        [(begin, end, reason)] = await gaps(db)
        assert (begin, end) == (after, min(stored.values()))
        assert reason == "HUNTER_MAX_PAGES_PER_ROUND: 20 pages are read"
    row = await topic(db, STEADY)
    assert row["round_ended_at"] == before
    assert {window[0] for window in windows(api)} == {after}
    assert len(set(windows(api))) == (4 if whole else 2)
    await assert_every_call_is_counted(db, api)


# ── clocks that are ahead ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lag", ["60", "0"])
async def test_minutes_that_another_clock_was_ahead_are_searched_again(
    db: Database, api: RunningSandbox, timeline: Timeline, monkeypatch: pytest.MonkeyPatch, lag: str
) -> None:
    monkeypatch.setenv("HUNTER_INDEX_LAG_MINUTES", lag)
    timeline.advance(minutes=20)
    await add("rust")
    await run_hunter_cycle(1)
    ahead = (await topic(db, "rust"))["round_ended_at"]
    timeline.set(NOON)
    await db.fetch("UPDATE search_queue SET status = 'active', due_at = NULL")
    await run_hunter_cycle(1)
    timeline.advance(hours=13)
    await run_hunter_cycle(1)
    _, (begin, end), (later, _) = windows(api)
    assert begin < end <= NOON + timedelta(seconds=10) < ahead
    assert end - begin == max(timedelta(minutes=int(lag)), timedelta(seconds=1)), "as far back as from a right clock"
    assert later == end - timedelta(minutes=int(lag)), "what lay in the future is searched once it has come"
