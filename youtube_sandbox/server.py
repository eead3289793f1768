"""The sandbox over HTTP: the gate of keys and quota, faults, the answer, the log."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from atlas.clock import Clock
from atlas.config.keypool import fingerprint
from atlas.quota.buckets import Bucket
from youtube_sandbox import errors
from youtube_sandbox.dataset import load
from youtube_sandbox.endpoints import ROUTES, Answer, Route
from youtube_sandbox.faults import Fault, Faults, Kind
from youtube_sandbox.fields import parse_fields, select
from youtube_sandbox.ids import own_project, project_number
from youtube_sandbox.log import CallLog, Entry
from youtube_sandbox.parameters import Parameters
from youtube_sandbox.quota import QuotaBook
from youtube_sandbox.replay import ReplayWorld
from youtube_sandbox.schema import KNOWN
from youtube_sandbox.spoiling import freeze_counts, spoilt
from youtube_sandbox.world import SeededWorld

if TYPE_CHECKING:
    from collections.abc import Callable

    from youtube_sandbox.catalogue import Catalogue
    from youtube_sandbox.clock import ScheduleClock
    from youtube_sandbox.config import SandboxConfig

__all__ = ["BASE_PATH", "Sandbox"]

BASE_PATH: Final = "/youtube/v3"
_DAY: Final = 86_400
_JSON: Final = "application/json; charset=UTF-8"
_HTML: Final = (
    b"<!DOCTYPE html><html><title>Error 502 (Server Error)!!1</title><p>The server met a temporary error.</html>"
)


@dataclass
class _Call:
    """What is known of a call while it is answered."""

    route: Route
    parameters: Parameters
    agent: str
    now: datetime
    key: str | None = None
    project: str | None = None
    fault: Fault | None = None
    counted: bool = False


class Sandbox:
    """A local YouTube Data API."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.clock: ScheduleClock = Clock.parse(config.clock) if isinstance(config.clock, str) else config.clock
        self.world = _world(config, self.clock.now())
        self.world.listing_lag = config.listing_lag
        self.faults = Faults(config.faults, seed=config.seed)
        self.log = CallLog(config.log)
        self.quota = QuotaBook(
            {Bucket.SEARCH: config.quota_search, Bucket.UNITS: config.quota_units, Bucket.BATCH: config.quota_batch}
        )
        self._projects = {key: project_number(project) for key, project in config.keys.items()}

    def application(self) -> web.Application:
        """The aiohttp application that is the API."""
        app = web.Application()
        for route in ROUTES.values():
            app.router.add_get(f"{BASE_PATH}/{route.path}", self._handler(route), allow_head=False)
        return app

    def _handler(self, route: Route) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            call = _Call(
                route,
                Parameters(route.name, request.query.items()),
                request.headers.get("User-Agent", ""),
                self.clock.now(),
            )
            return await self._answer(request, call)

        return handle

    async def _answer(self, request: web.Request, call: _Call) -> web.StreamResponse:
        delay, call.fault = self._gate(request, call)
        delay += self.config.latency
        if delay:
            await asyncio.sleep(delay)
            call.now = self.clock.now()
        try:
            answer = self._result(call)
            selection = call.parameters.text("fields")
            document: Any = answer.document
            if selection is not None:
                document = select(document, parse_fields(selection, KNOWN[call.route.name]))
        except errors.ApiError as error:
            if call.fault is not None and call.fault.spoils:
                call.fault = None  # there was no answer that it could have spoilt
            if call.project is not None and not call.counted:
                self.quota.refuse(call.project, call.route.bucket, call.now)
            self._record(call, error.status, error.reason, [])
            return self._respond(request, error.status, _dump(error.body, call), error.headers)
        return await self._deliver(request, call, answer, document)

    def _gate(self, request: web.Request, call: _Call) -> tuple[float, Fault | None]:
        """Finds out whose call it is, and what is to go wrong with it."""
        secret = request.headers.get("X-Goog-Api-Key") or call.parameters.text("key")
        if secret:
            call.key = fingerprint(secret)
            if not self._projects:
                call.project = project_number(own_project(secret))
            else:
                call.project = self._projects.get(secret)
        paged = call.parameters.text("pageToken") is not None
        return self.faults.strike(call.route.name, call.key, call.agent, paged=paged)

    def _result(self, call: _Call) -> Answer:
        """The answer, or the ApiError that refuses the call; takes the quota."""
        if call.key is None:
            raise errors.unregistered()
        if call.project is None:
            raise errors.key_invalid()
        bucket = call.route.bucket
        refusal = None
        if call.fault is not None:
            refusal = call.fault.refusal(bucket, call.project, self.quota.limits[bucket], call.now)
            spent = self.quota.spent(call.project, bucket, call.now) >= self.quota.limits[bucket]
            # The day's end is what a caller hears of that is too fast as well.
            if refusal is not None and call.fault.free and not (spent and call.fault.too_fast):
                raise refusal
        if not self.quota.charge(call.project, bucket, call.now):
            # The day's end is what the caller hears of, whatever else was to go wrong.
            call.fault = None
            raise errors.quota_spent(bucket, call.project, self.quota.limits[bucket], call.now)
        call.counted = True
        if refusal is not None:
            raise refusal
        call.parameters.check_names()
        stale = call.fault is not None and call.fault.kind is Kind.STALE_PAGE
        asked = call.parameters.of_first_page() if stale else call.parameters
        answer = call.route.answer(asked, self.world, call.now.timestamp(), self.log.next_seq())
        if call.fault is not None and call.fault.kind is Kind.FROZEN_COUNTS:
            if call.fault.since is None:
                call.fault.since = call.now.timestamp()
            before = call.route.answer(asked, self.world, call.fault.since, self.log.next_seq())
            freeze_counts(answer.document, before.document)
        if stale:
            answer.document["nextPageToken"] = call.parameters.token(call.parameters.offset() + 1)
        return answer

    async def _deliver(self, request: web.Request, call: _Call, answer: Answer, document: Any) -> web.StreamResponse:
        """Sends an answer of 200, or what a fault makes of it."""
        kind = call.fault.kind if call.fault is not None else None
        if kind is Kind.EMPTY_ITEMS:
            document = {name: value for name, value in document.items() if name != "nextPageToken"}
            if "items" in document:
                document["items"] = []
        elif kind is Kind.REPEATED_TOKEN:
            sent = call.parameters.text("pageToken") or call.parameters.token(len(answer.ids))
            document = {**document, "nextPageToken": sent}
        elif kind is not None:
            document = spoilt(kind, document)
        body = _dump(document, call)
        match kind:
            case Kind.DROP:
                self._record(call, 0, "dropped", [])
                return _drop(request)
            case Kind.CUT:
                self._record(call, 200, "cut", [])
                return await self._cut(request, body)
            case Kind.BROKEN_JSON:
                self._record(call, 200, "broken-json", [])
                return self._respond(request, 200, body[: len(body) // 2])
            case Kind.NOT_JSON:
                self._record(call, 502, "not-json", [])
                return self._respond(request, 502, _HTML, {"Content-Type": "text/html; charset=UTF-8"})
        unread = kind in (Kind.EMPTY_ITEMS, Kind.UNREADABLE_ITEMS, Kind.WRONG_KIND)
        left = answer.ids[1:] if kind is Kind.UNKNOWN_MEMBER else answer.ids
        self._record(call, 200, None, [] if unread else left)
        return self._respond(request, 200, body)

    def _record(self, call: _Call, status: int, reason: str | None, ids: list[str]) -> None:
        self.log.add(
            Entry(
                seq=self.log.next_seq(),
                at=datetime.now(UTC).isoformat(),
                schedule=call.now.isoformat(),
                endpoint=call.route.name,
                bucket=call.route.bucket.value,
                params=call.parameters.logged(),
                key=call.key,
                project=call.project,
                status=status,
                reason=reason,
                fault=call.fault.kind.value if call.fault is not None else None,
                agent=call.agent,
                ids=ids,
                cost=int(call.counted),
                counted=call.counted,
            )
        )

    @staticmethod
    def _respond(request: web.Request, status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
        sent = {"Content-Type": _JSON, "Vary": "Origin, X-Origin, Referer", "Server": "maia-sandbox", **(headers or {})}
        if _takes_gzip(request):
            body = gzip.compress(body, compresslevel=1, mtime=0)
            sent["Content-Encoding"] = "gzip"
        return web.Response(status=status, body=body, headers=sent)

    @staticmethod
    async def _cut(request: web.Request, body: bytes) -> web.StreamResponse:
        """Promises the whole body, sends half of it, and hangs up."""
        response = web.StreamResponse(headers={"Content-Type": _JSON, "Content-Length": str(len(body))})
        with contextlib.suppress(ConnectionResetError):  # whoever asked has gone, which aiohttp takes care of elsewhere
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()  # after what was written has been sent
        return response


def _drop(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)  # nobody reads it: the connection is gone


def _dump(document: Any, call: _Call) -> bytes:
    pretty = call.parameters.text("prettyPrint") == "true"
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 if pretty else None)


def _takes_gzip(request: web.Request) -> bool:
    for item in request.headers.get("Accept-Encoding", "").split(","):
        name, _, weight = item.partition(";")
        if name.strip().lower() in ("gzip", "*"):
            return weight.strip().lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _world(config: SandboxConfig, now: datetime) -> Catalogue:
    if config.dataset is not None:
        return ReplayWorld(load(config.dataset, year=config.dataset_year, today=now.date()))
    begin = now.timestamp() - config.history_days * _DAY
    return SeededWorld(seed=config.seed, begin=begin, channels=config.channels, videos=config.videos)
