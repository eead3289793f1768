"""What the tests of the agents share: a movable schedule clock, a local YouTube, and looking into the database."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from maia.agents.session import Shard
from maia.cycles import AgentOptions, check, work
from maia.hunter import run_hunter_cycle
from maia.run import run_checked
from maia.runtime.run_context import RunContext, run_scope
from maia.runtime.run_end import RunEnd, run_end
from youtube_sandbox import RunningSandbox

from .clock_settings import running_from
from .fake_secrets import HUNTING, TRACKING

NOON = datetime(2026, 11, 20, 20, tzinfo=UTC)
"""Noon in California: twelve hours of the quota day are left."""


def pool(hunting: tuple[str, ...] = HUNTING, tracking: tuple[str, ...] = TRACKING) -> str:
    """A value for YOUTUBE_API_KEY_POOL_JSON."""
    return orjson.dumps({"hunting": hunting, "tracking": tracking}).decode()


class Timeline:
    """The schedule clock of this test and its child processes: it runs as real time does, from where it is put."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.at = NOON

    def set(self, moment: datetime) -> None:
        self.at = moment
        spec = running_from(moment)
        self._monkeypatch.setenv("ATLAS_CLOCK", spec)
        settings.reload()

    def advance(self, **span: float) -> None:
        self.set(self.at + timedelta(**span))


async def run_here(agent: str, *, shard: str = "0/1", **given: Any) -> tuple[RunEnd, dict[str, Any]]:
    """Run an agent in this process, as its command does.

    Args:
        agent: such as ``hunter``.
        shard: such as ``0/1``.
        given: options (``batch_size``, ``cycles``) and settings of the run.

    Returns:
        how it ended, and its stats.
    """
    options = AgentOptions(Shard.parse(shard), given.pop("batch_size", None), given.pop("cycles", 1))
    with settings.override(**given), run_scope(RunContext()) as context:
        try:
            stats = dict(
                await run_checked(agent, shard, lambda: work(agent, options), lambda: check(agent))
            )  # fmt: skip
        except BaseException as error:  # noqa: BLE001  a run may end with a SystemExit, too
            return run_end(error, context.shutdown), context.stats
        return run_end(stats, context.shutdown), stats


async def fetch(db: Database, statement: str, *arguments: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in await db.fetch(statement, *arguments)]


async def value(db: Database, statement: str, *arguments: Any) -> Any:
    (row,) = await db.fetch(statement, *arguments)
    return row[0]


async def calls_counted(db: Database) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """(reserved, settled) calls by key and bucket."""
    rows = await db.fetch(
        "SELECT fingerprint, bucket, sum(reserved) AS reserved, sum(settled) AS settled FROM api_calls GROUP BY 1, 2"
    )
    reserved = Counter({(row["fingerprint"], row["bucket"]): int(row["reserved"]) for row in rows})
    return +reserved, +Counter({(row["fingerprint"], row["bucket"]): int(row["settled"]) for row in rows})


def calls_logged(api: RunningSandbox) -> Counter[tuple[str, str]]:
    """What the API's own log has, by key and bucket."""
    return Counter((entry.key or "", entry.bucket) for entry in api.log)


async def assert_every_call_is_counted(db: Database, api: RunningSandbox) -> None:
    """Without kills, the calls that were reserved, those that were settled and the API's log are the same; and those
    that cost quota are the same here and there."""
    reserved, settled = await calls_counted(db)
    assert reserved == settled == calls_logged(api)
    rows = await fetch(
        db, "SELECT fingerprint, bucket, sum(reserved - refused)::int AS spent FROM api_calls GROUP BY 1, 2"
    )
    granted = Counter((entry.key or "", entry.bucket) for entry in api.log if entry.counted)
    assert +Counter({(row["fingerprint"], row["bucket"]): row["spent"] for row in rows}) == granted


async def nothing_is_claimed(db: Database) -> bool:
    return not await value(
        db,
        "SELECT (SELECT count(*) FROM search_queue WHERE lease_token IS NOT NULL)"
        " + (SELECT count(*) FROM videos WHERE lease_token IS NOT NULL)",
    )


async def refuse_writes(db: Database, table: str, event: str, condition: str) -> None:
    """From now on, writing such a row fails."""
    await db.fetch(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'this row is refused' USING ERRCODE = 'check_violation'; END $$"
    )
    await db.fetch(
        f"CREATE TRIGGER refuse BEFORE {event} ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()"
    )


async def discover(db: Database, api: RunningSandbox, timeline: Timeline, *queries: str) -> list[str]:
    """Has the Hunter find videos, forgets its calls, and waits until they are due. Returns their ids."""
    await QueueDAO().add(list(queries))
    await run_hunter_cycle(len(queries))
    api.log.clear()
    await db.fetch("TRUNCATE api_calls")
    timeline.advance(hours=1, minutes=1)
    return [row["id"] for row in await fetch(db, "SELECT id FROM videos ORDER BY due_at, id")]


async def survivors(db: Database, api: RunningSandbox, until: datetime) -> list[str]:
    """The videos that YouTube still has then; the others are taken out of the database."""
    ids: list[str] = [row["id"] for row in await fetch(db, "SELECT id FROM videos ORDER BY id")]
    there = [id_ for id_ in ids if api.world.video(id_, until.timestamp()) is not None]
    await db.fetch("DELETE FROM videos WHERE NOT id = ANY ($1)", there)
    await db.fetch("DELETE FROM video_stats_log WHERE NOT video_id = ANY ($1)", there)
    assert len(there) > 10
    return there
