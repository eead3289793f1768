"""Deliberate faults of Maia, each with one protection taken out in a shard's process, to see that a check finds it.

They replace names that are private to Maia: a unit test puts in every mutant, and fails where a name has changed. As
little is imported before it is needed as by the agents themselves.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from atlas.config import settings
from harness.chaos.extremes import HOSTILE_ARCHIVE, SILENT_SERVER, WRONG_CLOCK


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        what: the protection that is taken out.
        found_by: the name of the check that has to find it.
        put_in: patches Maia in this process.
    """

    what: str
    found_by: str
    put_in: Callable[[], None]


MUTANTS: dict[str, Mutant] = {}

_CHURN = 75
_LATE = 0.3  # share of the searches that are stored late, so that others take them over meanwhile
_STATUS_429 = 429 % 256  # what is left of it in eight bits
_NO_LEASE = (" AND (leased_until IS NULL OR leased_until < now())", "")
_TOKEN_KEPT = (
    "next_page_token = :next_page_token",
    "next_page_token = CASE WHEN :next_page_token::text IS NOT NULL "
    "THEN coalesce(next_page_token, :next_page_token) END",
)


def mutant(name: str, what: str, found_by: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def register(put_in: Callable[[], None]) -> Callable[[], None]:
        MUTANTS[name] = Mutant(what, found_by, put_in)
        return put_in

    return register


def _put(target: Any, name: str, value: object) -> None:
    """Replace what a module or a class has under a name that it must have."""
    if name not in vars(target):
        raise LookupError(f"{target} has no {name}")
    setattr(target, name, value)


def in_statement(statement: str, *changes: tuple[str, str]) -> Callable[[], None]:
    """Replace texts within a statement, everywhere in it."""

    def put_in() -> None:
        from atlas.db import queries

        read = vars(queries)["_text"]

        def text(name: str) -> str:
            found: str = read(name)
            for old, new in changes if name == statement else ():
                if old not in found:
                    raise LookupError(f"{name}.sql has no '{old}'")
                found = found.replace(old, new)
            return found

        text(statement)
        _put(queries, "_text", text)

    return put_in


@mutant("result-dropped", "a page is stored without its last video", "every answered search is stored or released")
def last_result_dropped() -> None:
    from atlas.adapters.hunter import Hunting

    ingest = Hunting.ingest_video_metadata

    async def dropped(self: Hunting, videos: Any, **options: Any) -> Any:
        return await ingest(self, videos[:-1] if isinstance(videos, list) and len(videos) > 1 else videos, **options)

    _put(Hunting, "ingest_video_metadata", dropped)


@mutant("search-dropped", "one search of a batch is not stored", "every answered search is stored or released")
def last_search_dropped() -> None:
    from maia import hunter

    ingest = vars(hunter)["_ingest_all"]

    async def dropped(session: Any, answered: Any) -> Any:
        return await ingest(session, answered[:-1])

    _put(hunter, "_ingest_all", dropped)


@mutant("window-again", "a round begins a day back, wherever the last one ended", "no search page is stored twice")
def window_from_the_oldest() -> None:
    from atlas.adapters.hunter import Hunting

    open_window = vars(Hunting)["_open_window"]

    def opened(self: Hunting, row: Any, now: datetime) -> None:
        open_window(self, row, now)
        row["published_after"] = min(row["published_after"], now - timedelta(hours=24))

    _put(Hunting, "_open_window", opened)


mutant("token-kept", "the page token of a topic stays where it was", "every page token goes forward")(
    in_statement("hunter/advance_topic", _TOKEN_KEPT)
)

mutant("no-first-snapshot", "a video is enriched without a snapshot", "every enriched video has its first snapshot")(
    in_statement(
        "hunter/ingest_videos", ("FROM input JOIN fresh USING (id)", "FROM input JOIN fresh USING (id) WHERE false")
    )
)


@mutant("written-again", "a repeated write does not check its lease", "no two snapshots come from one call")
def written_again() -> None:
    from atlas.adapters.claims import Claims

    in_statement("tracker/update_videos", (" AND videos.lease_token = input.token", ""))()

    async def twice(self: Claims, work: Callable[[], Awaitable[Any]]) -> Any:
        store = vars(self)["_db"]
        await store.retry(work)  # as if the answer to its commit had been lost
        return await store.retry(work)

    _put(Claims, "retry", twice)
    _put(Claims, "_drop_claims", lambda _self, _finished: None)


@mutant("times-of-before", "snapshots bear a time before the answer", "every snapshot bears the time of an answer")
def times_of_before() -> None:
    from atlas.adapters import claims
    from atlas.clock import clock

    class Late:
        @staticmethod
        def now() -> datetime:
            return clock.now() - timedelta(hours=2)

    _put(claims, "clock", Late)


mutant("lease-ignored", "videos are claimed that another shard has leased", "no claim outlives its lease")(
    in_statement("tracker/claim_videos", _NO_LEASE)
)

mutant("lease-too-long", "a claim of topics lasts longer than the lease", "no claim outlives its lease")(
    in_statement("hunter/claim_topics", ("secs => $2", "secs => $2 + 1"))
)

mutant("late-tracker", "readings are written without a check of the lease", "nothing is written on another's lease")(
    in_statement("tracker/update_videos", (" AND videos.lease_token = input.token", ""))
)


@mutant(
    "late-hunter",
    "a page token is written without a check of the lease, by a slow Hunter",
    "nothing is written on another's lease",
)
def late_hunter() -> None:
    from maia import hunter

    in_statement("hunter/advance_topic", ("AND lease_token = :lease_token", "AND :lease_token::uuid IS NOT NULL"))()
    ingest = vars(hunter)["_ingest"]

    async def late(*of: Any) -> Any:
        if random.random() < _LATE:
            await asyncio.sleep(settings.hunter_lease_seconds + 0.5)
        return await ingest(*of)

    _put(hunter, "_ingest", late)


@mutant("claims-kept", "claims are not released at the end", "claims are released")
def claims_kept() -> None:
    from atlas.adapters.claims import Claims

    async def nothing(_self: Claims) -> int:
        return 0

    _put(Claims, "release_claims", nothing)
    _put(Claims, "release_kept", nothing)


@mutant(
    "records-missing",
    "the archive reports records as stored that it has not written",
    "every video is archived or to be archived",
)
def records_not_written() -> None:
    from atlas.vault.providers.local import LocalProvider

    commit = LocalProvider.commit

    def some(self: LocalProvider, add: Mapping[str, bytes], *rest: Any, **options: Any) -> Mapping[str, str]:
        written = {path: body for number, (path, body) in enumerate(add.items()) if number % 10}
        return commit(self, written, *rest, **options)

    _put(LocalProvider, "commit", some)


@mutant("failed-uncounted", "calls that failed are released, though they were made", "calls are counted")
def failed_calls_released() -> None:
    from maia.youtube import YouTubeClient

    account = vars(YouTubeClient)["_account_for_failure"]

    async def released(self: YouTubeClient, error: BaseException, reservation: Any, **_: bool) -> None:
        await account(self, error, reservation, sent=False)

    _put(YouTubeClient, "_account_for_failure", released)


@mutant("sent-again", "a call on a broken connection is sent again without being counted", "calls are counted")
def sent_again_unseen() -> None:
    from maia.youtube.transport import Transport

    opened = Transport.open

    async def open_(self: Transport) -> None:
        await opened(self)
        vars(vars(self)["_session"])["_retry_connection"] = True

    _put(Transport, "open", open_)


mutant("counted-twice", "more calls are reserved than are made", "calls are counted")(
    in_statement("quota/reserve_calls", (":counter_shard, :calls", ":counter_shard, :calls + 1"))
)


@mutant(
    "exit-429",
    "a rate limit ends a process with 429, which arrives as 173",
    "every process ends with a code of the contract",
)
def exit_status_429() -> None:
    from maia import resilience
    from maia.runtime.run_end import run_end

    def end(*of: Any) -> Any:
        ended = run_end(*of)
        return ended._replace(exit_code=_STATUS_429) if ended.exit_code == _CHURN else ended

    _put(resilience, "run_end", end)


@mutant("signals-unheeded", "SIGTERM ends a process immediately", "every process ends with a code of the contract")
def signals_unheeded() -> None:
    from maia import resilience

    def default(_shutdown: Any) -> dict[int, Any]:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return {}

    _put(resilience, "install_signal_handlers", default)


@mutant("always-ok", "every result file says that all is well", "every result file is whole and fits")
def result_always_ok() -> None:
    from maia.runtime.exitcodes import Outcome
    from maia.runtime.result_file import RunResult

    to_json = RunResult.to_json

    def ok(self: RunResult) -> bytes:
        object.__setattr__(self, "outcome", Outcome.OK)
        return to_json(self)

    _put(RunResult, "to_json", ok)


@mutant("result-torn", "result files are cut short", "every result file is whole and fits")
def result_torn() -> None:
    from maia.runtime.result_file import RunResult

    to_json = RunResult.to_json
    _put(RunResult, "to_json", lambda self: to_json(self)[: 40 if os.getpid() % 2 else None])


@mutant("clock-believed", "a machine's clock is trusted, however wrong it is", WRONG_CLOCK)
def clock_believed() -> None:
    from atlas.clock import clock

    _put(type(clock), "follow", lambda _clock, _offset: None)


@mutant("deadline-endless", "agents wait for a silent server without end", SILENT_SERVER)
def deadline_endless() -> None:
    from atlas.db import deadline

    _put(deadline, "DEADLINE", 3600.0)


@mutant("part-swallowed", "parts of the archive are unpacked whole", HOSTILE_ARCHIVE)
def part_swallowed() -> None:
    from atlas.vault import layout

    def swallowed(body: bytes, _name: str) -> list[bytes]:
        import zstandard

        return [zstandard.ZstdDecompressor().decompressobj().decompress(body)]

    _put(layout, "_unpack", swallowed)


@mutant("errors-raw", "errors of the database's driver reach the agents", "no process wrote a traceback")
def errors_of_the_driver() -> None:
    from atlas import database
    from atlas.db import connections

    for module in (connections, database):
        _put(module, "map_driver_errors", contextlib.nullcontext)
