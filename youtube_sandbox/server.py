"""The sandbox over HTTP: the gate of keys and quota, faults, the answer, the log."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from atlas.clock import Clock
from atlas.config.keypool import fingerprint
from atlas.quota.buckets import Bucket
from youtube_sandbox import errors
from youtube_sandbox.dataset import load
from youtube_sandbox.endpoints import ROUTES, EndpointResult, Route
from youtube_sandbox.faults import Fault, Faults, Kind
from youtube_sandbox.fields import KNOWN_FIELDS, parse_fields, select
from youtube_sandbox.ids import own_project, project_number
from youtube_sandbox.log import CallLog, LoggedCall
from youtube_sandbox.parameters import Parameters
from youtube_sandbox.quota import QuotaBook
from youtube_sandbox.replay import ReplayWorld
from youtube_sandbox.spoiling import freeze_counts, spoilt
from youtube_sandbox.world import SeededWorld

if TYPE_CHECKING:
    from youtube_sandbox.catalogue import Catalogue
    from youtube_sandbox.config import SandboxConfig, ScheduleClock

BASE_PATH: Final = "/youtube/v3"
_DAY: Final = 86_400
_JSON: Final = "application/json; charset=UTF-8"
_HTML: Final = (
    b"<!DOCTYPE html><html><title>Error 502 (Server Error)!!1</title><p>The server met a temporary error.</html>"
)
_NO_IDS: Final = {
    Kind.DROP, Kind.CUT, Kind.BROKEN_JSON, Kind.NOT_JSON, Kind.EMPTY_ITEMS, Kind.UNREADABLE_ITEMS, Kind.WRONG_KIND
}  # fmt: skip
"""Kinds after which the caller cannot read the ids of an answer."""
_LOGGED: Final[dict[Kind | None, tuple[int, str | None]]] = {
    Kind.DROP: (0, "dropped"), Kind.CUT: (200, "cut"), Kind.BROKEN_JSON: (200, "broken-json"),
    Kind.NOT_JSON: (502, "not-json"),
}  # fmt: skip


@dataclass
class _Call:
    """The state of a call while it is answered."""

    route: Route
    parameters: Parameters
    agent: str
    now: datetime
    key: str | None = None
    project: str | None = None
    fault: Fault | None = None
    counted: bool = False

    def dump(self, document: Any) -> bytes:
        pretty = self.parameters.text("prettyPrint") == "true"
        return orjson.dumps(document, option=orjson.OPT_INDENT_2 if pretty else None)


class Sandbox:
    """A local YouTube Data API."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.clock: ScheduleClock = Clock.parse(config.clock) if isinstance(config.clock, str) else config.clock
        self.world = _world(config, self.clock.now())
        self.world.listing_lag = config.listing_lag
        self.faults = Faults(config.faults, seed=config.seed)
        self.log = CallLog(config.log)
        limits = (config.quota_search, config.quota_units, config.quota_batch)
        self.quota = QuotaBook(dict(zip((Bucket.SEARCH, Bucket.UNITS, Bucket.BATCH), limits, strict=True)))
        self._projects = {key: project_number(project) for key, project in config.keys.items()}

    def application(self) -> web.Application:
        """Return the aiohttp application that is the API."""
        app = web.Application()
        for route in ROUTES.values():
            app.router.add_get(f"{BASE_PATH}/{route.path}", partial(self._answer, route), allow_head=False)
        return app

    async def _answer(self, route: Route, request: web.Request) -> web.StreamResponse:
        parameters = Parameters(route.name, request.query.items())
        call = _Call(route, parameters, request.headers.get("User-Agent", ""), self.clock.now())
        secret = request.headers.get("X-Goog-Api-Key") or call.parameters.text("key")
        if secret:
            call.key = fingerprint(secret)
            call.project = self._projects.get(secret) if self._projects else project_number(own_project(secret))
        paged = call.parameters.text("pageToken") is not None
        delay, call.fault = self.faults.strike(call.route.name, call.key, call.agent, paged=paged)
        delay += self.config.latency
        if delay:
            await asyncio.sleep(delay)
            call.now = self.clock.now()
        try:
            answer = self._result(call)
            selection = call.parameters.text("fields")
            document: Any = answer.document
            if selection is not None:
                document = select(document, parse_fields(selection, KNOWN_FIELDS[call.route.name]))
        except errors.ApiError as error:
            if call.fault is not None and call.fault.spoils:
                call.fault = None  # there was no answer to spoil
            self._record(call, error.status, error.reason, [])
            return self._respond(request, error.status, call.dump(error.body), error.headers)
        return await self._deliver(request, call, answer, document)

    def _result(self, call: _Call) -> EndpointResult:
        """Charge the quota and return the answer. Raises the ApiError that refuses the call."""
        if call.key is None:
            raise errors.unregistered()
        if call.project is None:
            raise errors.key_invalid()
        bucket, limit = call.route.bucket, self.quota.limits[call.route.bucket]
        fault = call.fault
        refusal = fault.refusal(bucket, call.project, limit, call.now) if fault is not None else None
        if fault is not None and refusal is not None and fault.free:
            hidden = fault.too_fast and self.quota.exhausted(call.project, bucket, call.now)
            if not hidden:  # YouTube reports a spent day before a rate limit
                raise refusal
        if not self.quota.charge(call.project, bucket, call.now):
            call.fault = None  # a spent day hides every other fault
            raise errors.quota_spent(bucket, call.project, limit, call.now)
        call.counted = True
        if refusal is not None:
            raise refusal
        call.parameters.check_names()
        kind = fault.kind if fault is not None else None
        asked = call.parameters.of_first_page() if kind is Kind.STALE_PAGE else call.parameters
        answer = call.route.answer(asked, self.world, call.now.timestamp(), self.log.next_seq())
        if fault is not None and kind is Kind.FROZEN_COUNTS:
            fault.since = call.now.timestamp() if fault.since is None else fault.since
            before = call.route.answer(asked, self.world, fault.since, self.log.next_seq())
            freeze_counts(answer.document, before.document)
        if kind is Kind.STALE_PAGE:
            answer.document["nextPageToken"] = call.parameters.token(call.parameters.offset() + 1)
        return answer

    async def _deliver(
        self, request: web.Request, call: _Call, answer: EndpointResult, document: Any
    ) -> web.StreamResponse:
        """Send an answer of 200, or what a fault makes of it."""
        kind = call.fault.kind if call.fault is not None else None
        if kind is Kind.EMPTY_ITEMS:
            document = {name: value for name, value in document.items() if name != "nextPageToken"}
        elif kind is Kind.REPEATED_TOKEN:
            sent = call.parameters.text("pageToken") or call.parameters.token(len(answer.ids))
            document = {**document, "nextPageToken": sent}
        body = call.dump(document if kind is None else spoilt(kind, document))
        ids = [] if kind in _NO_IDS else answer.ids[1:] if kind is Kind.UNKNOWN_MEMBER else answer.ids
        status, reason = _LOGGED.get(kind, (200, None))
        self._record(call, status, reason, ids)
        match kind:
            case Kind.DROP:
                return _drop(request)
            case Kind.CUT:
                return await self._cut(request, body)
            case Kind.BROKEN_JSON:
                body = body[: len(body) // 2]
            case Kind.NOT_JSON:
                return self._respond(request, 502, _HTML, {"Content-Type": "text/html; charset=UTF-8"})
        return self._respond(request, 200, body)

    def _record(self, call: _Call, status: int, reason: str | None, ids: list[str]) -> None:
        self.log.add(
            LoggedCall(
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
        """Promise the whole body, send half of it, and hang up."""
        response = web.StreamResponse(headers={"Content-Type": _JSON, "Content-Length": str(len(body))})
        with contextlib.suppress(ConnectionResetError):  # the caller has gone, which aiohttp takes care of elsewhere
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()  # after what was written has been sent
        return response


def _drop(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)  # never sent: the connection is gone


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
