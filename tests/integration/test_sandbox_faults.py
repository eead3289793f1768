"""The sandbox's faults as a caller meets them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from aiohttp import ClientPayloadError, ClientSession, ServerDisconnectedError

from youtube_sandbox import ManualClock, RunningSandbox, SandboxConfig, running

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 22, 20, tzinfo=UTC)


@asynccontextmanager
async def started(*faults: str, **options: Any) -> AsyncIterator[tuple[RunningSandbox, ClientSession]]:
    config = SandboxConfig(clock=ManualClock(NOW), videos=3_000, history_days=2, faults=faults, **options)
    async with running(config) as sandbox, ClientSession(headers={"X-Goog-Api-Key": "key"}) as http:
        yield sandbox, http


def url(sandbox: RunningSandbox) -> str:
    return f"{sandbox.base_url}/search?part=snippet&type=video&maxResults=50"


async def test_a_refusal_is_answered_and_logged() -> None:
    statuses = {
        "rate-limit": (429, False),
        "user-rate-limit": (403, False),
        "quota": (429, False),
        "daily-limit": (403, False),
        "key-invalid": (400, False),
        "key-blocked": (403, False),
        "gateway": (403, False),
        "gateway:reason=credentials": (401, False),
        "bad-parameter:reason=regionCode": (400, True),
        "backend-error": (500, True),
        "backend-error:status=503": (503, True),
        "unavailable-403": (403, True),
        "not-found": (404, True),
    }
    async with started() as (sandbox, http):
        for spec, (status, counted) in statuses.items():
            sandbox.faults.set([f"{spec}:retry-after=9:times=1"])
            sandbox.log.clear()
            async with http.get(url(sandbox)) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (status, "9"), spec
                assert "error" in await answer.json()
            async with http.get(url(sandbox)) as answer:
                assert answer.status == 200, spec
            first, second = sandbox.log
            assert (first.fault, first.counted, first.ids) == (spec.partition(":")[0], counted, []), spec
            assert (second.fault, second.counted, len(second.ids)) == (None, True, 50), spec


async def test_a_cut_answer_breaks_off_and_a_dropped_connection_has_none() -> None:
    async with started("cut:times=1") as (sandbox, http):
        with pytest.raises(ClientPayloadError):
            async with http.get(url(sandbox)) as answer:
                assert answer.status == 200
                await answer.read()
        assert [(entry.reason, entry.ids) for entry in sandbox.log] == [("cut", [])]
        async with http.get(url(sandbox)) as answer:
            assert len((await answer.json())["items"]) == 50
        sandbox.log.clear()
        sandbox.faults.set(["drop:times=2"])
        with pytest.raises(ServerDisconnectedError):
            async with http.post(url(sandbox)), http.get(url(sandbox)):
                pass
        assert [entry.status for entry in sandbox.log] == [0] * len(sandbox.log)


async def test_spoilt_answers() -> None:
    async def answered(fault: str) -> tuple[int, str, bytes]:
        sandbox.faults.set([fault])
        sandbox.log.clear()
        async with http.get(url(sandbox)) as answer:
            return answer.status, answer.content_type, await answer.read()

    async with started() as (sandbox, http):
        status, _, body = await answered("broken-json")
        assert (status, body[:1]) == (200, b"{")
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(body)
        status, kind, body = await answered("not-json")
        assert (status, kind, body[:15]) == (502, "text/html", b"<!DOCTYPE html>")
        status, _, body = await answered("empty-items")
        assert (status, orjson.loads(body)["items"], b"nextPageToken" in body) == (200, [], False)
        assert [entry.ids for entry in sandbox.log] == [[]]
        _, _, body = await answered("unreadable-items")
        document = orjson.loads(body)
        assert {tuple(item) for item in document["items"]} == {("kind",)}
        assert document["pageInfo"]["totalResults"] > 0
        assert [entry.ids for entry in sandbox.log] == [[]]


@pytest.mark.parametrize(
    ("fault", "same_token", "same_items"), [("repeated-token", True, False), ("stale-page", False, True)]
)
async def test_lists_that_do_not_go_on(fault: str, same_token: bool, same_items: bool) -> None:
    async with started(f"{fault}:search") as (sandbox, http):
        tokens, pages = [""], []
        for _ in range(3):
            async with http.get(f"{url(sandbox)}&pageToken={tokens[-1]}") as answer:
                document = await answer.json()
            tokens.append(document["nextPageToken"])
            pages.append([item["id"] for item in document["items"]])
        assert (len(set(tokens[1:])) == 1) is same_token
        assert (pages[0] == pages[1]) is same_items
        assert all(pages)


async def test_which_of_several_faults_strikes() -> None:
    async with started("slow:seconds=0.05", "rate-limit") as (sandbox, http):
        before = datetime.now(UTC)
        async with http.get(url(sandbox)) as answer:
            assert answer.status == 429
        assert (datetime.now(UTC) - before).total_seconds() >= 0.05, "slowness comes before another fault"
        sandbox.faults.set(["page-token"])
        async with http.get(url(sandbox)) as answer:
            token = (await answer.json())["nextPageToken"]
        async with http.get(f"{url(sandbox)}&pageToken={token}") as answer:
            assert (answer.status, (await answer.json())["error"]["errors"][0]["reason"]) == (400, "invalidPageToken")
        sandbox.log.clear()
        sandbox.faults.set(["cut"])
        async with http.get(f"{sandbox.base_url}/search") as answer:
            assert answer.status == 400
        assert [entry.fault for entry in sandbox.log] == [None], "there was no answer to spoil"
    async with started("rate-limit:after=1", quota_search=1) as (sandbox, http):
        for status in (200, 429):
            async with http.get(url(sandbox)) as answer:
                assert answer.status == status
        assert [entry.reason for entry in sandbox.log] == [None, "rateLimitExceeded/day"], "a spent day wins"


async def test_faults_change_while_it_runs() -> None:
    async with started("rate-limit") as (sandbox, http):
        door = f"{sandbox.admin_url}/faults"
        async with http.post(door, json=["backend-error:search:times=1"]) as answer:
            assert await answer.json() == [{"spec": "backend-error:search:times=1", "matched": 0, "struck": 0}]
        async with http.get(url(sandbox)) as answer:
            assert answer.status == 500
        async with http.get(door) as answer:
            assert [entry["struck"] for entry in await answer.json()] == [1]
        for body in (b'["explode"]', b'{"a": 1}', b"[1]", b"not json"):
            async with http.post(door, data=body) as answer:
                assert answer.status == 400
                assert (await answer.json())["error"]
        sandbox.faults.clear()
        async with http.get(url(sandbox)) as answer:
            assert answer.status == 200


async def test_frozen_counts_are_those_of_the_first_answer_that_was_frozen() -> None:
    async with started() as (sandbox, http):
        async with http.get(f"{sandbox.base_url}/search?part=id&type=video&maxResults=50") as answer:
            ids = ",".join(item["id"]["videoId"] for item in (await answer.json())["items"])

        async def counts(part: str) -> dict[str, Any]:
            async with http.get(f"{sandbox.base_url}/videos?part={part}&id={ids}") as answer:
                return {item["id"]: item["statistics"] for item in (await answer.json())["items"]}

        sandbox.faults.set(["frozen-counts"])
        frozen = await counts("statistics")
        assert isinstance(sandbox.clock, ManualClock)
        sandbox.clock.advance(hours=6)
        later = await counts("snippet,statistics")
        assert later == {id_: frozen[id_] for id_ in later}
        sandbox.faults.clear()
        assert await counts("statistics") != later
