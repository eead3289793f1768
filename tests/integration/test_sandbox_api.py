"""The sandbox over HTTP: keys, quota, pages, windows, partial answers, its log and its doors."""

import gzip
import html
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession

from atlas.config.keypool import fingerprint
from atlas.errors import ConfigError
from youtube_sandbox import ManualClock, RunningSandbox, SandboxConfig, running, serve

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 22, 20, tzinfo=UTC)
AGENT = "maia/0.1 (hunter 0/2)"


class Api:
    """A caller of one sandbox."""

    def __init__(self, sandbox: RunningSandbox, http: ClientSession, clock: ManualClock) -> None:
        self.sandbox = sandbox
        self.http = http
        self.clock = clock

    async def get(self, path: str, key: str | None = "key", **query: Any) -> tuple[int, dict[str, Any]]:
        headers = {"X-Goog-Api-Key": key} if key else {}
        async with self.http.get(f"{self.sandbox.base_url}/{path}", params=query, headers=headers) as answer:
            return answer.status, await answer.json()

    async def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get(path, **query))[1]["items"]
        return found

    async def search(self, q: str = "music", key: str | None = "key", **query: Any) -> tuple[int, dict[str, Any]]:
        return await self.get("search", key, **{"part": "snippet", "type": "video", "q": q, "order": "date", **query})

    async def found(self, q: str = "music", **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.search(q, **{"maxResults": 50, **query}))[1]["items"]
        return found

    async def state(self) -> dict[str, Any]:
        async with self.http.get(f"{self.sandbox.admin_url}/state") as answer:
            return dict(await answer.json())


async def start(clock: ManualClock | None = None, **options: Any) -> AsyncIterator[Api]:
    clock = clock or ManualClock(START)
    config = SandboxConfig(**{"clock": clock, "videos": 3_000, "history_days": 7, **options})
    async with running(config) as sandbox, ClientSession(headers={"User-Agent": AGENT}) as http:
        yield Api(sandbox, http, clock)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async for one in start():
        yield one


def reason(document: dict[str, Any]) -> str:
    return str(document["error"]["errors"][0]["reason"])


def published(items: list[dict[str, Any]]) -> list[str]:
    return [item["snippet"]["publishedAt"] for item in items]


async def test_search_snippets_have_the_fields_of_the_real_ones_and_escaped_titles_alone(api: Api) -> None:
    fields = "channelId channelTitle description liveBroadcastContent publishedAt publishTime thumbnails title"
    titles, others = [], []
    for query in ("football highlights", "sons"):
        items = await api.found(query)
        assert {frozenset(item) for item in items} == {frozenset(("kind", "etag", "id", "snippet"))}
        assert {frozenset(item["snippet"]) for item in items} == {frozenset(fields.split())}
        snippets = {item["id"]["videoId"]: item["snippet"] for item in items}
        for video in await api.items("videos", part="snippet", id=",".join(snippets)):
            snippet = snippets[video["id"]]
            assert snippet["channelTitle"] == video["snippet"]["channelTitle"]
            assert video["snippet"]["title"] == html.unescape(snippet["title"])
            titles.append(snippet["title"])
            others += [(snippet["channelTitle"], snippet["description"])]
    assert any("&amp;" in title for title in titles)
    for texts in zip(*others, strict=True):
        assert any(character in text for text in texts for character in "&'"), "some hold what would be escaped"
        assert not any(entity in text for text in texts for entity in ("&amp;", "&#39;", "&quot;"))


async def test_pages_follow_each_other_up_to_the_ceiling(api: Api) -> None:
    ids: list[str] = []
    query: dict[str, Any] = {}
    pages = 0
    while True:
        status, document = await api.search("", maxResults=50, **query)
        assert status == 200
        ids += [item["id"]["videoId"] for item in document["items"]]
        pages += 1
        if "nextPageToken" not in document:
            break
        query = {"pageToken": document["nextPageToken"]}
    assert (pages, len(ids), len(set(ids))) == (10, 500, 500)
    assert len(query["pageToken"]) < 20
    assert "prevPageToken" in document


async def test_the_last_page_may_be_empty(api: Api) -> None:
    window = {"publishedAfter": "2026-11-22T18:00:00Z", "publishedBefore": "2026-11-22T19:00:00Z"}
    amount = len(await api.found("", **window))
    assert 5 < amount < 50
    _, full = await api.search("", maxResults=amount, **window)
    _, last = await api.search("", maxResults=amount, pageToken=full["nextPageToken"], **window)
    assert (last["items"], "nextPageToken" in last) == ([], False)


async def test_a_page_token_is_bound_to_its_parameters(api: Api) -> None:
    token = (await api.search(maxResults=5))[1]["nextPageToken"]
    changes = [{"q": "news"}, {"order": "title"}, {"publishedAfter": "2026-11-01T00:00:00Z"}]
    changes += [{"pageToken": made_up} for made_up in ("CBkQAA", "x", "ünicode", "AAAA" * 3)]
    for change in changes:
        status, refused = await api.search(**{"pageToken": token, **change})
        assert (status, reason(refused)) == (400, "invalidPageToken"), change
    status, _ = await api.search(pageToken=token, maxResults=7, fields="items/id")
    assert status == 200


async def test_a_video_is_listed_after_the_lag() -> None:
    async for api in start(listing_lag=2_400.0):
        newest = max(published(await api.found()))
        assert newest <= f"{START - timedelta(minutes=40):%Y-%m-%dT%H:%M:%SZ}"
        api.clock.advance(minutes=40)
        fresh = [time for time in published(await api.found(publishedAfter=newest)) if time > newest]
        assert fresh, "what is published meanwhile comes with the same lag"
        assert max(fresh) <= f"{START:%Y-%m-%dT%H:%M:%SZ}"


async def test_totals_are_estimates_and_search_etags_change(api: Api) -> None:
    first, second = (await api.search("", maxResults=50))[1], (await api.search("", maxResults=50))[1]
    assert first["pageInfo"] == second["pageInfo"]
    assert first["pageInfo"]["totalResults"] > 500
    assert first["etag"] != second["etag"]
    assert first["items"][0]["etag"] != second["items"][0]["etag"]
    assert first["items"][0]["snippet"] == second["items"][0]["snippet"]


async def test_videos_appear_and_counts_grow_with_the_schedule_clock(api: Api) -> None:
    _, before = await api.search("", maxResults=50)
    ids = {item["id"]["videoId"] for item in before["items"]}

    async def views() -> int:
        items = await api.items("videos:batchGetStats", part="statistics", id=",".join(ids))
        return sum(int(item["statistics"]["viewCount"]) for item in items)

    old = await views()
    api.clock.advance(hours=1)
    page = await api.found("", pageToken=before["nextPageToken"])
    assert ids & {item["id"]["videoId"] for item in page}, "pages of an open window repeat videos when new ones appear"
    api.clock.advance(hours=5)
    assert published(await api.found(""))[0] > published(before["items"])[0]
    assert await views() > old


async def test_counts_are_strings_and_hidden_ones_are_absent(api: Api) -> None:
    now = START.timestamp()
    videos = [video for shelf in api.sandbox.world.shelves(None, now) for video in shelf.videos]
    alive = [video for video in videos if api.sandbox.world.visible(video, now)]
    no_likes = next(video for video in alive if video.counts(now).likes is None)
    no_comments = next(video for video in alive if video.counts(now).comments is None)
    for path in ("videos", "videos:batchGetStats"):
        items = await api.items(path, part="statistics", id=f"{no_likes.id},{no_comments.id}")
        first, second = (item["statistics"] for item in items)
        assert "likeCount" not in first
        assert "commentCount" not in second
        assert all(isinstance(value, str) and value.isdigit() for value in (*first.values(), *second.values()))


async def test_videos_that_are_gone_are_left_out_without_a_word(api: Api) -> None:
    kept, gone, other = (item["id"]["videoId"] for item in await api.found(maxResults=3))
    assert api.sandbox.world.delete(gone, START.timestamp())
    for path in ("videos", "videos:batchGetStats"):
        status, document = await api.get(path, part="id", id=",".join((kept, gone, other, "AAAAAAAAAAA", kept)))
        assert (status, [item["id"] for item in document["items"]]) == (200, [kept, other])
    _, document = await api.get("videos", part="id", id=gone)
    assert (document["items"], document["pageInfo"]["totalResults"]) == ([], 0)
    assert gone not in str(await api.search(maxResults=3))


async def test_parts_and_fields_are_honoured(api: Api) -> None:
    (found,) = await api.found(maxResults=1)
    identifier = found["id"]["videoId"]
    (video,) = await api.items("videos", part="statistics,contentDetails", id=identifier)
    assert set(video) == {"kind", "etag", "id", "statistics", "contentDetails"}
    (video,) = await api.items("videos:batchGetStats", part="snippet", id=identifier)
    assert set(video) == {"kind", "etag", "id", "snippet"}
    assert set((await api.found(part="id"))[0]) == {"kind", "etag", "id"}
    _, document = await api.search(fields="items(id/videoId,snippet/title),nextPageToken", maxResults=2)
    assert set(document) == {"items", "nextPageToken"}
    assert [set(item) for item in document["items"]] == [{"id", "snippet"}] * 2
    assert set(document["items"][0]["id"]) == {"videoId"}
    status, document = await api.search(fields="items/snippet/tags")
    assert (status, document["error"]["errors"][0]["location"]) == (400, "fields")


async def test_uploads_are_paged(api: Api) -> None:
    found = await api.found("")
    channel = max((item["snippet"]["channelId"] for item in found), key=str(found).count)
    (document,) = await api.items("channels", part="contentDetails,statistics", id=channel)
    uploads = document["contentDetails"]["relatedPlaylists"]["uploads"]
    amount = int(document["statistics"]["videoCount"])
    listed: list[str] = []
    query = {"part": "contentDetails,snippet", "playlistId": uploads, "maxResults": 3}
    while True:
        _, page = await api.get("playlistItems", **query)
        assert page["pageInfo"] == {"totalResults": amount, "resultsPerPage": 3}
        listed += [item["contentDetails"]["videoId"] for item in page["items"]]
        assert page["items"][-1]["snippet"]["position"] == len(listed) - 1
        if "nextPageToken" not in page:
            break
        query["pageToken"] = page["nextPageToken"]
    assert (len(listed), len(set(listed))) == (amount, amount)


async def test_channels_are_cut_at_five_unless_more_are_asked_for(api: Api) -> None:
    ids = list(dict.fromkeys(item["snippet"]["channelId"] for item in await api.found("")))[:9]
    for query, amount in (({}, 5), ({"maxResults": 50}, 9)):
        _, document = await api.get("channels", part="id", id=",".join(ids), **query)
        assert [item["id"] for item in document["items"]] == ids[:amount]
        assert document["pageInfo"]["totalResults"] == 9
    status, document = await api.get("channels", part="id", id="UC" + "x" * 22)
    assert (status, "items" in document, document["pageInfo"]["totalResults"]) == (200, False, 0)


SNIPPET = {"part": "snippet"}


@pytest.mark.parametrize(
    ("path", "query", "status", "reason_"),
    [
        ("search", {}, 400, "required"),
        ("search", {"part": "tags"}, 400, "unknownPart"),
        ("search", SNIPPET | {"maxResults": "51"}, 400, "invalidParameter"),
        ("search", SNIPPET | {"maxResults": "-1"}, 400, "invalidParameter"),
        ("search", SNIPPET | {"maxResults": "many"}, 400, "invalid"),
        ("search", SNIPPET | {"maxResults": "9" * 5_000}, 400, "invalidParameter"),
        ("search", SNIPPET | {"order": "newest"}, 400, "invalid"),
        ("search", SNIPPET | {"publishedAfter": "2026-11-22"}, 400, "invalid"),
        ("search", SNIPPET | {"publishedAfter": "2026-11-22T08:00:00"}, 400, "invalid"),
        ("search", SNIPPET | {"publishedBefore": "2026-13-22T08:00:00Z"}, 400, "invalid"),
        ("search", SNIPPET | {"type": "song"}, 400, "invalidParameter"),
        ("search", SNIPPET | {"videoCategoryId": "10"}, 400, "invalidSearchFilter"),
        ("search", SNIPPET | {"query": "x"}, 400, "invalid"),
        ("videos", SNIPPET, 400, "missingRequiredParameter"),
        ("videos", SNIPPET | {"id": ",".join(f"{n:011d}" for n in range(51))}, 400, "invalidFilters"),
        ("videos:batchGetStats", {"part": "statistics"}, 400, "required"),
        ("channels", SNIPPET, 400, "missingRequiredParameter"),
        ("playlistItems", SNIPPET, 400, "missingRequiredParameter"),
        ("playlistItems", SNIPPET | {"playlistId": "PLnone"}, 404, "playlistNotFound"),
        ("playlistItems", SNIPPET | {"playlistId": "UU" + "x" * 22}, 404, "playlistNotFound"),
    ],
)
async def test_wrong_requests_are_refused_and_cost_one(
    api: Api, path: str, query: dict[str, str], status: int, reason_: str
) -> None:
    got, document = await api.get(path, **query)
    assert (got, reason(document)) == (status, reason_)
    (entry,) = api.sandbox.log
    assert (entry.status, entry.reason, entry.cost, entry.counted) == (status, reason_, 1, True)


async def test_answers_may_be_empty_and_the_search_window_is_kept(api: Api) -> None:
    for query in ({"maxResults": 0}, {"type": "channel"}, {"q": "qwertyuiop"}):
        status, document = await api.search(**query)
        assert (status, document["items"], "nextPageToken" in document) == (200, [], False)
    window = {"publishedAfter": "2026-11-21T20:00:00+02:00", "publishedBefore": "2026-11-22T00:00:00.500Z"}
    times = published(await api.found("", **window))
    assert times
    assert all("2026-11-21T18:00:00Z" <= time <= "2026-11-22T00:00:00Z" for time in times)


async def test_no_key_is_refused_and_costs_nothing(api: Api) -> None:
    status, document = await api.search(key=None)
    assert (status, document["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert "unregistered callers" in document["error"]["message"]
    assert [(entry.key, entry.counted) for entry in api.sandbox.log] == [(None, False)]


async def test_a_key_may_come_in_the_query_and_is_never_logged(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    async for api in start(log=path):
        async with api.http.get(f"{api.sandbox.base_url}/search", params={"part": "id", "key": "secret-key"}) as answer:
            assert answer.status == 200
        await api.search(key=None)
        shown = str(await api.state()) + repr([*api.sandbox.log])
    written = path.read_text()
    assert "secret-key" not in shown + written
    assert fingerprint("secret-key") in shown
    assert [orjson.loads(line)["status"] for line in written.splitlines()] == [200, 403]


async def test_unknown_keys_are_invalid_once_keys_are_named() -> None:
    async for api in start(keys={"good": "p"}):
        assert (await api.search(key="good"))[0] == 200
        status, document = await api.search(key="bad")
        assert (status, document["error"]["details"][0]["reason"]) == (400, "API_KEY_INVALID")
        assert [entry.counted for entry in api.sandbox.log] == [True, False]


async def test_the_three_buckets_are_spent_apart_each_with_its_own_refusal() -> None:
    async for api in start(quota_search=2, quota_units=1, quota_batch=1):
        identifier = (await api.found())[0]["id"]["videoId"]
        await api.search(order="nonsense")  # costs one as well
        status, document = await api.search()
        metadata = document["error"]["details"][0]["metadata"]
        assert (status, metadata["quota_unit"], metadata["quota_limit_value"]) == (429, "1/d/{project}", "2")
        assert (await api.get("videos", part="id", id=identifier))[0] == 200
        status, document = await api.get("channels", part="id", id="x")
        assert (status, reason(document)) == (403, "quotaExceeded")
        assert (await api.get("videos:batchGetStats", part="id", id=identifier))[0] == 200
        status, document = await api.get("videos:batchGetStats", part="id", id=identifier)
        assert status == 429
        assert "batch" in document["error"]["details"][0]["metadata"]["quota_metric"]
        assert [entry.cost for entry in api.sandbox.log] == [1, 1, 0, 1, 0, 1, 0]


async def test_keys_of_one_project_share_its_quota_until_midnight_pacific() -> None:
    async for api in start(quota_search=2, keys={"a": "one", "b": "one", "c": "1234567"}):
        statuses = [(await api.search(key=key))[0] for key in ("a", "b", "a", "b", "c", "c")]
        assert statuses == [200, 200, 429, 429, 200, 200]
        _, document = await api.search(key="c")
        assert document["error"]["details"][0]["metadata"]["consumer"] == "projects/1234567"
        assert "project_number:1234567" in document["error"]["message"]
        api.clock.set(datetime(2026, 11, 23, 7, 59, 59, tzinfo=UTC))
        assert (await api.search(key="b"))[0] == 429
        api.clock.advance(seconds=1)
        assert (await api.search(key="b"))[0] == 200


async def test_answers_are_compressed_for_who_asks_and_pretty_where_that_is_asked(api: Api) -> None:
    url = f"{api.sandbox.base_url}/search?part=snippet&maxResults=50&key=k"
    accepted = {"gzip": 1, "deflate, gzip;q=0.5": 1, "*": 1, "identity": 0, "gzip;q=0": 0, "br": 0}
    async with ClientSession(auto_decompress=False) as http:
        for header, compressed in accepted.items():
            async with http.get(url, headers={"Accept-Encoding": header}) as answer:
                raw = await answer.read()
                assert (answer.headers.get("Content-Encoding") == "gzip") is bool(compressed), header
                assert answer.content_type == "application/json"
            assert len(orjson.loads(gzip.decompress(raw) if compressed else raw)["items"]) == 50
            assert not compressed or len(raw) < 20_000
    async with api.http.get(f"{url}&prettyPrint=true") as answer:
        assert (await answer.text()).startswith('{\n  "kind"')


async def test_other_paths_are_not_there(api: Api) -> None:
    for path in ("/youtube/v3/comments", "/youtube/v3", "/"):
        async with api.http.get(api.sandbox.base_url.removesuffix("/youtube/v3") + path) as answer:
            assert answer.status == 404


async def test_the_log_and_the_state_say_who_asked_what_and_got_what(api: Api) -> None:
    _, document = await api.search("python", maxResults=2)
    entry = next(iter(api.sandbox.log)).as_dict()
    assert entry.pop("at")
    assert entry == {
        "seq": 1,
        "schedule": START.isoformat(),
        "endpoint": "search",
        "bucket": "search",
        "params": {"part": "snippet", "type": "video", "q": "python", "order": "date", "maxResults": "2"},
        "key": fingerprint("key"),
        "project": entry["project"],
        "status": 200,
        "reason": None,
        "fault": None,
        "agent": AGENT,
        "ids": [item["id"]["videoId"] for item in document["items"]],
        "cost": 1,
        "counted": True,
    }
    await api.get("videos", part="nothing", id="x")
    assert [(one.seq, one.status) for one in api.sandbox.log] == [(1, 200), (2, 400)]
    state = await api.state()
    assert state["world"]["kind"] == "seeded"
    assert (state["clock"]["now"], state["clock"]["quota_day"]) == (START.isoformat(), "2026-11-22")
    assert list(state["quota"]["spent"].values()) == [{"2026-11-22": {"search": 1, "units": 1}}]
    assert state["calls"] == {"search": {"200": 1}, "videos": {"400": 1}}


async def test_latency_is_waited_for() -> None:
    async for api in start(latency=0.05):
        before = datetime.now(UTC)
        await api.search()
        assert datetime.now(UTC) - before >= timedelta(seconds=0.05)


async def test_a_data_set_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "counts_2017.csv"
    header = "video_id,title,channel_title,category_id,tags,views,likes,dislikes,comment_total,thumbnail_link,date"
    row = "aaaaaaaaaaa,Old Song,Someone,10,music|old song,{},10,1,5,x,{}.09"
    path.write_text("\n".join([header, row.format(100, 13), row.format(300, 14)]), encoding="utf-8")
    async for api in start(dataset=path, clock=ManualClock(datetime(2017, 9, 13, 12, tzinfo=UTC))):
        assert published(await api.found("old song")) == ["2017-09-13T00:00:00Z"]
        (video,) = await api.items("videos", part="snippet,statistics", id="aaaaaaaaaaa")
        assert (video["statistics"]["viewCount"], video["snippet"]["tags"]) == ("200", ["music", "old song"])
        assert (await api.state())["world"]["age"] == "since first seen"


async def test_what_cannot_be_started_says_why(tmp_path: Path) -> None:
    for options in ({"faults": ("nonsense",)}, {"clock": "fast"}, {"dataset": tmp_path / "none.csv"}):
        with pytest.raises(ConfigError):
            await serve(SandboxConfig(**options))  # type: ignore[arg-type]
