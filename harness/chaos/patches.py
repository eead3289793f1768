"""What the mutants do to Maia in a shard's process.

By names that are private to it: who changes one of them hears of it from the unit tests, which put in every mutant. As
little is imported before it is needed as by the agents themselves.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from atlas.config import settings

__all__ = [
    "claims_kept",
    "clock_believed",
    "deadline_endless",
    "errors_of_the_driver",
    "exit_status_429",
    "failed_calls_released",
    "in_statement",
    "last_result_dropped",
    "last_search_dropped",
    "late_hunter",
    "part_swallowed",
    "records_not_written",
    "result_always_ok",
    "result_torn",
    "sent_again_unseen",
    "signals_unheeded",
    "times_of_before",
    "window_from_the_oldest",
    "written_again",
]

_CHURN = 75
_LATE = 0.3  # share of the searches that are stored late, so that others take them over meanwhile
_STATUS_429 = 429 % 256  # what is left of it in eight bits


def _put(target: Any, name: str, value: object) -> None:
    """Replaces what a module or a class has under a name that it must have."""
    if name not in vars(target):
        raise LookupError(f"{target} has no {name}")
    setattr(target, name, value)


def in_statement(statement: str, *changes: tuple[str, str]) -> Callable[[], None]:
    """Replaces texts within a statement, everywhere in it."""

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


def last_result_dropped() -> None:
    from atlas.adapters.hunter import Hunting

    ingest = Hunting.ingest_video_metadata

    async def dropped(self: Hunting, videos: Any, **options: Any) -> Any:
        return await ingest(self, videos[:-1] if isinstance(videos, list) and len(videos) > 1 else videos, **options)

    _put(Hunting, "ingest_video_metadata", dropped)


def last_search_dropped() -> None:
    from maia import hunter

    ingest = vars(hunter)["_ingest_all"]

    async def dropped(session: Any, answered: Any) -> Any:
        return await ingest(session, answered[:-1])

    _put(hunter, "_ingest_all", dropped)


def late_hunter() -> None:
    from maia import hunter

    in_statement("hunter/advance_topic", ("AND lease_token = :lease_token", "AND :lease_token::uuid IS NOT NULL"))()
    ingest = vars(hunter)["_ingest"]

    async def late(*of: Any) -> Any:
        if random.random() < _LATE:
            await asyncio.sleep(settings.hunter_lease_seconds + 0.5)
        return await ingest(*of)

    _put(hunter, "_ingest", late)


def window_from_the_oldest() -> None:
    from atlas.adapters.hunter import Hunting

    open_window = vars(Hunting)["_open_window"]

    def opened(self: Hunting, row: Any, now: datetime) -> None:
        open_window(self, row, now)
        row["published_after"] = min(row["published_after"], now - timedelta(hours=24))

    _put(Hunting, "_open_window", opened)


def written_again() -> None:
    from atlas.adapters.claims import Claims

    in_statement("tracker/update_videos", (" AND videos.lease_token = input.token", ""))()

    async def twice(self: Claims, work: Callable[[], Awaitable[Any]]) -> Any:
        store = vars(self)["_db"]
        await store.patiently(work)  # as if the answer to its commit had been lost
        return await store.patiently(work)

    _put(Claims, "patiently", twice)
    _put(Claims, "_drop_claims", lambda _self, _finished: None)


def times_of_before() -> None:
    from atlas.adapters import claims
    from atlas.clock import clock

    class Late:
        @staticmethod
        def now() -> datetime:
            return clock.now() - timedelta(hours=2)

    _put(claims, "clock", Late)


def claims_kept() -> None:
    from atlas.adapters.claims import Claims

    async def nothing(_self: Claims) -> int:
        return 0

    _put(Claims, "release_claims", nothing)
    _put(Claims, "release_aside", nothing)


def records_not_written() -> None:
    from atlas.vault.providers.local import LocalProvider

    commit = LocalProvider.commit

    def some(self: LocalProvider, add: Mapping[str, bytes], *rest: Any, **options: Any) -> Mapping[str, str]:
        written = {path: body for number, (path, body) in enumerate(add.items()) if number % 10}
        return commit(self, written, *rest, **options)

    _put(LocalProvider, "commit", some)


def failed_calls_released() -> None:
    from maia.youtube import YouTubeClient

    account = vars(YouTubeClient)["_account_for_failure"]

    async def released(self: YouTubeClient, error: BaseException, reservation: Any, **_: bool) -> None:
        await account(self, error, reservation, sent=False)

    _put(YouTubeClient, "_account_for_failure", released)


def sent_again_unseen() -> None:
    from maia.youtube.transport import Transport

    opened = Transport.open

    async def open_(self: Transport) -> None:
        await opened(self)
        vars(vars(self)["_session"])["_retry_connection"] = True

    _put(Transport, "open", open_)


def exit_status_429() -> None:
    from maia import resilience
    from maia.runtime.run_end import run_end

    def end(*of: Any) -> Any:
        ended = run_end(*of)
        return ended._replace(exit_code=_STATUS_429) if ended.exit_code == _CHURN else ended

    _put(resilience, "run_end", end)


def signals_unheeded() -> None:
    import signal

    from maia import resilience

    def default(_shutdown: Any) -> dict[int, Any]:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return {}

    _put(resilience, "install_signal_handlers", default)


def result_always_ok() -> None:
    from maia.runtime.exitcodes import Outcome
    from maia.runtime.result_file import RunResult

    to_json = RunResult.to_json

    def ok(self: RunResult) -> bytes:
        object.__setattr__(self, "outcome", Outcome.OK)
        return to_json(self)

    _put(RunResult, "to_json", ok)


def result_torn() -> None:
    from maia.runtime.result_file import RunResult

    to_json = RunResult.to_json
    _put(RunResult, "to_json", lambda self: to_json(self)[: 40 if os.getpid() % 2 else None])


def errors_of_the_driver() -> None:
    from atlas import database
    from atlas.db import connections

    for module in (connections, database):
        _put(module, "map_driver_errors", contextlib.nullcontext)


def clock_believed() -> None:
    from atlas.clock import clock

    _put(type(clock), "follow", lambda _clock, _offset: None)


def deadline_endless() -> None:
    from atlas.db import deadline

    _put(deadline, "DEADLINE", 3600.0)


def part_swallowed() -> None:
    from atlas.vault import layout

    def swallowed(body: bytes, _name: str) -> list[bytes]:
        import zstandard

        return [zstandard.ZstdDecompressor().decompressobj().decompress(body)]

    _put(layout, "_unpack", swallowed)
