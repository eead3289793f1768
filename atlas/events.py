"""The append-only record of what happened: ``events``, and one row of ``runs`` per process.

People are told of some of it: see ``atlas.notifier.dispatcher``. The words are ``atlas.event_types``'s.
"""

from __future__ import annotations

import contextvars
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from atlas.clock import clock
from atlas.database import Database, database
from atlas.db.queries import sql
from atlas.event_types import EventType
from atlas.notifier import dispatcher
from atlas.redaction import scrub

__all__ = ["EventType", "Run", "emit", "emit_all"]


async def emit(event: EventType, *, store: Database | None = None, **payload: Any) -> None:
    """Appends an event, in the task's transaction if it is in one.

    Args:
        event: its type.
        store: another database than the process's own, for tests.
        payload: what the vocabulary names; JSON-able values and datetimes, no secrets.
    """
    await emit_all(event, [payload], store=store)


async def emit_all(event: EventType, payloads: Sequence[Mapping[str, Any]], *, store: Database | None = None) -> None:
    """Appends events of one type, as ``emit`` does, by one statement."""
    if not payloads:
        return
    store = store or database
    run = _current.get()
    await store.fetch(
        sql("runs/emit_events"), clock.now(), str(event), run and run.id, [dict(each) for each in payloads]
    )
    for payload in payloads:
        forget = dispatcher.teller.note(event, payload, who=str(run or ""))
        store.on_rollback(forget)


class Run:
    """One process's row in ``runs``: begun at its start, finished with its outcome. Both are events as well.

    Args:
        agent: such as ``hunter``.
        shard: such as ``0/4``, or None.
        run_id: the workflow run that it is part of, or None.
        wave: the wave of that run, from 1, or None.
    """

    def __init__(
        self, agent: str, shard: str | None = None, *, run_id: str | None = None, wave: int | None = None
    ) -> None:
        self.id = uuid.uuid4()
        self.agent, self.shard, self.run_id, self.wave = agent, shard, run_id, wave
        self._begun = False

    def __str__(self) -> str:
        return f"maia {self.agent}" + (f" {self.shard}" if self.shard else "")

    async def begin(self, store: Database | None = None) -> None:
        """Writes the row and its event; events emitted by this task from now on name it."""
        started = {"agent": self.agent, "shard": self.shard}
        await (store or database).fetch(
            sql("runs/start_run"), self.id, self.agent, self.shard, self.run_id, self.wave, clock.real(),
            clock.now(), str(EventType.RUN_STARTED), started, str(clock),
        )  # fmt: skip
        self._begun = True
        _current.set(self)
        dispatcher.teller.note(EventType.RUN_STARTED, started, who=str(self))

    async def finish(
        self, outcome: str, exit_code: int, stats: Mapping[str, Any], error: str | None, store: Database | None = None
    ) -> None:
        """Writes how it ended and its event; after a churn that one too. Does nothing if it never began.

        People are told even if the database does not take it.
        """
        if not self._begun:
            return
        text = scrub(error) if error else None
        ended: dict[EventType, dict[str, Any]] = {}
        if outcome == "churn":
            ended[EventType.CHURN] = {"agent": self.agent, "reason": text}
        ended[EventType.RUN_FINISHED] = finished(self.agent, self.shard, outcome, exit_code, text)
        for event, payload in ended.items():
            dispatcher.teller.note(event, payload, who=str(self))
        await (store or database).fetch(
            sql("runs/finish_run"), self.id, clock.real(), outcome, exit_code, dict(stats), text,
            clock.now(), [str(event) for event in ended], list(ended.values()),
        )  # fmt: skip


def finished(agent: str, shard: str | None, outcome: str, exit_code: int, error: str | None) -> dict[str, Any]:
    """The payload of ``run_finished``."""
    return {"agent": agent, "shard": shard, "outcome": str(outcome), "exit_code": int(exit_code), "error": error}


_current: contextvars.ContextVar[Run | None] = contextvars.ContextVar("atlas_run", default=None)
