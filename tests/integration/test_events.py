"""The record of what happened: how it is written, and how it is read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from atlas import events
from atlas.adapters.events import EventsDAO
from atlas.config import settings
from atlas.database import Database
from atlas.db.queries import sql
from atlas.events import EventType, Run
from maia.runtime.exitcodes import ExitCode, Outcome

from ..support.clock_settings import standing_at
from ..support.forked_commands import forked_commands

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHURN, GAP = EventType.CHURN, EventType.SEARCH_GAP


def at(moment: datetime) -> Any:
    """The schedule clock, standing nearly still at a moment."""
    return settings.override(atlas_clock=standing_at(moment))


async def rows(db: Database) -> list[dict[str, Any]]:
    return [dict(row) for row in await db.fetch("SELECT at, type, run, payload FROM events ORDER BY id")]


@pytest.fixture
def sent(db: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that are sent."""
    statements: list[str] = []
    fetch = db.fetch

    async def counting(statement: str, *arguments: Any) -> Any:
        statements.append(statement)
        return await fetch(statement, *arguments)

    monkeypatch.setattr(db, "fetch", counting)
    return statements


async def test_a_run_is_two_events_at_no_further_statement(db: Database, sent: list[str]) -> None:
    run = Run("hunter", "0/4")
    await run.finish("ok", 0, {}, None)
    assert not sent, "a run that never began has no end"
    with at(NOON):
        for _ in range(2):  # as after a lost connection
            await run.begin()
        for _ in range(2):
            await run.finish(Outcome.OK, ExitCode.OK, {"searches": 3}, None)
    assert len(sent) == 4
    began, ended = await rows(db)
    assert abs(began["at"] - NOON) < timedelta(seconds=1)
    assert (began["type"], began["run"], began["payload"]) == (
        "run_started", run.id, {"agent": "hunter", "shard": "0/4"},
    )  # fmt: skip
    assert (ended["type"], ended["run"]) == ("run_finished", run.id)
    assert ended["payload"] == {
        "agent": "hunter", "shard": "0/4", "outcome": "ok", "exit_code": 0, "error": None,
    }  # fmt: skip
    ((outcome, stats),) = [tuple(row) for row in await db.fetch("SELECT outcome, stats FROM runs")]
    assert (outcome, stats) == ("ok", {"searches": 3})


async def test_a_churn_is_an_event_before_that_of_the_end(db: Database, sent: list[str]) -> None:
    run = Run("tracker", "1/4")
    await run.begin()
    for _ in range(2):
        await run.finish("churn", 75, {}, "too fast, token=S3cretToken")
    assert len(sent) == 3
    _, churn, ended = await rows(db)
    assert (churn["type"], churn["payload"]) == ("churn", {"agent": "tracker", "reason": "too fast, token=***"})
    assert ended["payload"]["error"] == "too fast, token=***"


async def test_many_events_are_one_statement_and_none_is_no_statement(db: Database, sent: list[str]) -> None:
    await events.emit_all(EventType.BREAKOUT, [])
    assert not sent
    payloads = [{"video_id": f"v{n}", "views_per_hour": 1.5, "views": n} for n in range(3)]
    await events.emit_all(EventType.BREAKOUT, payloads)
    assert len(sent) == 1
    assert [row["payload"] for row in await rows(db)] == payloads


async def seed(*moments: tuple[datetime, EventType]) -> None:
    for moment, event in moments:
        with at(moment):
            await events.emit_all(event, [{"n": moment.hour}])


async def test_events_are_read_by_type_and_time_the_newest_last(db: Database) -> None:
    await seed((NOON, CHURN), (NOON - 3 * HOUR, GAP), (NOON - HOUR, GAP), (NOON - 2 * HOUR, CHURN))

    async def hours(*types: EventType, **given: Any) -> list[int]:
        return [event.payload["n"] for event in await EventsDAO().latest(types, **given)]

    assert await hours() == [9, 10, 11, 12]
    assert await hours(limit=2) == [11, 12]
    assert await hours(CHURN) == [10, 12]
    assert await hours(GAP, CHURN, limit=3) == [10, 11, 12]
    assert await hours(since=NOON - 1.5 * HOUR) == [11, 12]
    assert await hours(GAP, since=NOON - 1.5 * HOUR) == [11]
    assert await hours(EventType.BREAKOUT) == []


async def test_an_event_knows_its_process_while_its_row_is_there(db: Database) -> None:
    run = Run("hunter", "2/4")
    await run.begin()
    (event,) = await EventsDAO().latest()
    assert (event.agent, event.shard, event.run) == ("hunter", "2/4", run.id)
    await db.fetch("DELETE FROM runs")
    (event,) = await EventsDAO().latest()
    assert (event.agent, event.shard, event.run) == (None, None, run.id)


async def test_the_last_events_are_found_by_an_index(db: Database) -> None:
    await db.fetch(
        "INSERT INTO events (at, type) SELECT now() - n * interval '1 minute', 'type ' || n % 20 "
        "FROM generate_series(1, 20000) AS n"
    )
    await db.fetch("ANALYZE events")
    for types in (None, ["churn"]):
        plan = await db.fetch(f"EXPLAIN {sql('runs/list_events')}", types, datetime.now(UTC) - timedelta(days=1), 50)
        assert "Seq Scan on events" not in "\n".join(row[0] for row in plan)


@pytest.fixture(scope="module")
def atlas_events() -> Iterator[Callable[..., tuple[int, str]]]:
    with forked_commands() as commands:
        yield lambda arguments="": commands.run(f"atlas events {arguments}", os.environ, Path.cwd())


async def test_the_command_shows_a_table_or_lines_of_json(
    db: Database, atlas_events: Callable[..., tuple[int, str]]
) -> None:
    run = Run("hunter", "0/4")
    await run.begin()
    await events.emit(EventType.KEY_SUSPENDED, fingerprint="a1b2", reason="evil \x1b[31m", until=NOON)
    code, shown = atlas_events()
    assert code == 0
    words = " ".join(shown.split())
    assert words.index("run_started") < words.index("key_suspended")
    assert "hunter 0/4 fingerprint a1b2" in words
    assert "\x1b" not in shown

    first, last = map(json.loads, atlas_events("--json --since 24h")[1].splitlines())
    assert set(first) == {"id", "at", "type", "level", "run", "agent", "shard", "payload"}
    assert (first["type"], first["level"], first["run"]) == ("run_started", "info", str(run.id))
    assert (last["level"], last["shard"], last["payload"]["until"]) == ("error", "0/4", "2026-11-22T12:00:00.000000Z")
    for event in (first, last):
        assert datetime.strptime(event["at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


async def test_the_command_takes_types_times_and_a_limit(
    db: Database, atlas_events: Callable[..., tuple[int, str]]
) -> None:
    now = datetime.now(UTC)
    await seed((now - 30 * HOUR, CHURN), (now - HOUR, CHURN), (now, GAP))
    for arguments, number in (
        ("--type churn", 2), ("--type churn --type search_gap --since 2h", 2),
        (f"--since {(now - 2 * HOUR).isoformat()} --limit 1", 1),
    ):  # fmt: skip
        code, lines = atlas_events(f"--json {arguments}")
        assert (code, len(lines.splitlines())) == (0, number), lines
    assert atlas_events("--type breakout") == (0, "No such event.\n")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [("--since yesterday", "24h, 7d"), ("--type churns", "churns"), ("--limit 0", "--limit")],
)
def test_a_wrong_option_is_named(atlas_events: Callable[..., tuple[int, str]], arguments: str, word: str) -> None:
    code, printed = atlas_events(arguments)
    assert code == 2
    assert word in printed
