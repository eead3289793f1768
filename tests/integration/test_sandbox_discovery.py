"""The sandbox against Google's own discovery document, and Google's own client against the sandbox."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import googleapiclient
import orjson
import pytest
from aiohttp import ClientSession
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from youtube_sandbox import ManualClock, RunningSandbox, SandboxConfig, running
from youtube_sandbox.fields import KNOWN_FIELDS
from youtube_sandbox.parameters import ACCEPTED
from youtube_sandbox.resources import VIDEO_PARTS

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
DOCUMENT = orjson.loads(
    (Path(googleapiclient.__file__).parent / "discovery_cache" / "documents" / "youtube.v3.json").read_bytes()
)
SCHEMAS: dict[str, Any] = DOCUMENT["schemas"]
METHODS = {
    "search": DOCUMENT["resources"]["search"]["methods"]["list"],
    "videos": DOCUMENT["resources"]["videos"]["methods"]["list"],
    "batchGetStats": DOCUMENT["resources"]["videos"]["methods"]["batchGetStats"],
    "channels": DOCUMENT["resources"]["channels"]["methods"]["list"],
    "playlistItems": DOCUMENT["resources"]["playlistItems"]["methods"]["list"],
}
# What the API sends, or its reference names, and the discovery document does not.
BEYOND = {("SearchResultSnippet", "publishTime"): "string", ("VideoStatsContentDetails", "durationMillis"): "string"}
FORMATS = {
    "uint64": r"\d{1,20}",
    "int64": r"-?\d{1,19}",
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "google-datetime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "google-duration": r"\d+(\.\d+)?s",
}

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


def problems(value: Any, schema: dict[str, Any], where: str, name: str = "") -> Iterator[str]:
    """What does not fit a schema of the discovery document."""
    if "$ref" in schema:
        name = schema["$ref"]
        schema = SCHEMAS[name]
    kind = schema["type"]
    if type(value) is not TYPES[kind]:
        yield f"{where}: {value!r} is no {schema.get('format', kind)}"
    elif kind == "object":
        for key, inner in value.items():
            below = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
            if below is not None:
                yield from problems(inner, below, f"{where}.{key}", key)
            elif (name, key) not in BEYOND:
                yield f"{where}.{key}: {name} has no such property"
    elif kind == "array":
        for place, inner in enumerate(value):
            yield from problems(inner, schema["items"], f"{where}[{place}]")
    elif kind == "string":
        if not re.fullmatch(FORMATS.get(schema.get("format", ""), r"(?s:.*)"), value):
            yield f"{where}: {value!r} is no {schema['format']}"
        elif value not in schema.get("enum", [value]):
            yield f"{where}: {value!r} is none of {schema['enum']}"


def check(endpoint: str, document: dict[str, Any]) -> None:
    response = METHODS[endpoint]["response"]
    assert list(problems(document, response, endpoint)) == []
    assert document["kind"] == SCHEMAS[response["$ref"]]["properties"]["kind"]["default"]
    item = SCHEMAS[response["$ref"]]["properties"]["items"]["items"]["$ref"]
    kinds = SCHEMAS[item]["properties"]["kind"]
    kind = kinds.get("default") or re.search(r'"(youtube#\w+)"', kinds["description"])[1]  # type: ignore[index]
    assert {entry["kind"] for entry in document.get("items", [])} <= {kind}


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with running(SandboxConfig(clock=ManualClock(NOW), videos=3_000, history_days=7)) as running_:
        yield running_


async def test_every_answer_has_only_what_the_discovery_document_knows(sandbox: RunningSandbox) -> None:
    async with ClientSession(headers={"X-Goog-Api-Key": "k"}) as http:

        async def get(endpoint: str, **query: Any) -> dict[str, Any]:
            path = METHODS[endpoint]["path"].removeprefix("youtube/v3/")
            async with http.get(f"{sandbox.base_url}/{path}", params=query) as answer:
                document = await answer.json()
                assert answer.status == 200, document
            check(endpoint, document)
            return document

        found = await get("search", part="id,snippet", type="video", q="music", maxResults=50, order="date")
        await get("search", part="snippet", type="video", q="music", pageToken=found["nextPageToken"], order="date")
        assert len(found["items"]) == 50
        await get("search", part="id", q="nothing of the kind")
        # Many pages, so that rare things are among them: hidden counts, missing tags, broadcasts running and over.
        videos = [video for shelf in sandbox.world.shelves(None, NOW.timestamp()) for video in shelf.videos]
        broadcast = next(
            video for video in videos if video.live_until and sandbox.world.visible(video, NOW.timestamp())
        )
        assert isinstance(sandbox.clock, ManualClock)
        sandbox.clock.set(datetime.fromtimestamp(broadcast.published, UTC))
        ids = [broadcast.id, *(video.id for video in videos[:2_000])]
        parts = ",".join(VIDEO_PARTS)
        seen: list[dict[str, Any]] = []
        for start in range(0, len(ids), 50):
            listed = ",".join(ids[start : start + 50])
            seen += (await get("videos", part=parts, id=listed))["items"]
            await get("batchGetStats", part="contentDetails,id,snippet,statistics", id=listed)
        assert {item["snippet"]["liveBroadcastContent"] for item in seen} == {"none", "live"}
        assert any("likeCount" not in item["statistics"] for item in seen)
        channel = found["items"][0]["snippet"]["channelId"]
        answer = await get("channels", part="contentDetails,id,snippet,statistics,status", id=channel)
        uploads = answer["items"][0]["contentDetails"]["relatedPlaylists"]["uploads"]
        await get("playlistItems", part="contentDetails,id,snippet,status", playlistId=uploads, maxResults=50)
        await get("channels", part="id", id="UC" + "x" * 22)


def test_the_check_itself_can_fail_and_its_exceptions_are_still_needed() -> None:
    statistics, snippet = {"viewCount": 5, "shares": "1"}, {"publishedAt": "today"}
    video = {"kind": "youtube#video", "statistics": statistics, "snippet": snippet}
    found = list(problems({"items": [video], "pageInfo": {"totalResults": "1"}}, METHODS["videos"]["response"], "v"))
    assert found == [
        "v.items[0].statistics.viewCount: 5 is no uint64",
        "v.items[0].statistics.shares: VideoStatistics has no such property",
        "v.items[0].snippet.publishedAt: 'today' is no date-time",
        "v.pageInfo.totalResults: '1' is no int32",
    ]
    for schema, name in BEYOND:
        assert name not in SCHEMAS[schema]["properties"]


@pytest.mark.parametrize("endpoint", METHODS)
def test_parameters_and_selectable_fields_are_those_of_the_discovery_document(endpoint: str) -> None:
    assert ACCEPTED[endpoint] == {*METHODS[endpoint]["parameters"], *DOCUMENT["parameters"]}

    def walk(selection: Any, schema: dict[str, Any], name: str = "") -> Iterator[str]:
        while "$ref" in schema or schema.get("type") == "array":
            name = schema.get("$ref", name)
            schema = SCHEMAS[name] if "$ref" in schema else schema["items"]
        for key, inner in (selection or {}).items():
            if (name, key) in BEYOND:
                continue
            if key not in schema.get("properties", {}):
                yield f"{name}.{key}"
            else:
                yield from walk(inner, schema["properties"][key], key)

    assert list(walk(KNOWN_FIELDS[endpoint], METHODS[endpoint]["response"])) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning:httplib2")
async def test_googles_own_client_talks_to_it(sandbox: RunningSandbox) -> None:
    def talk() -> None:
        root = sandbox.base_url.removesuffix("youtube/v3")
        youtube = build(
            "youtube", "v3", developerKey="key", static_discovery=True, client_options={"api_endpoint": root}
        )
        with youtube:
            request = youtube.search().list(part="snippet", type="video", q="python", order="date", maxResults=10)
            first = request.execute()
            second = youtube.search().list_next(request, first).execute()
            ids = [item["id"]["videoId"] for item in first["items"] + second["items"]]
            assert len(set(ids)) == 20
            videos = youtube.videos().list(part="snippet,statistics", id=ids).execute()["items"]
            assert [video["id"] for video in videos] == ids
            stats = youtube.videos().batchGetStats(part=["statistics"], id=ids).execute()["items"]
            assert [entry["statistics"]["viewCount"] for entry in stats] == [
                video["statistics"]["viewCount"] for video in videos
            ]
            channel = youtube.channels().list(part="contentDetails", id=videos[0]["snippet"]["channelId"]).execute()
            uploads = channel["items"][0]["contentDetails"]["relatedPlaylists"]["uploads"]
            newest = youtube.playlistItems().list(part="contentDetails", playlistId=uploads, maxResults=50).execute()
            assert ids[0] in [item["contentDetails"]["videoId"] for item in newest["items"]]
            with pytest.raises(HttpError) as caught:
                youtube.playlistItems().list(part="snippet", playlistId="PLnone").execute()
            assert (caught.value.status_code, caught.value.error_details[0]["reason"]) == (404, "playlistNotFound")

    await asyncio.to_thread(talk)
    assert [entry.status for entry in sandbox.log] == [200] * 6 + [404]
