"""The append-only record of what happened: `events`, and one row of `runs` per process.

People are notified of some events: see `atlas.notifier.dispatcher`. The types are in `atlas.event_types`.
"""

from __future__ import annotations

import contextvars
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from atlas.clock import clock
from atlas.database import Database, database
from atlas.db.queries import bind, sql
from atlas.event_types import EventType
from atlas.notifier import dispatcher
from atlas.redaction import scrub

__all__ = ["EventType", "Run", "emit", "emit_all"]


async def emit(event: EventType, *, store: Database | None = None, **payload: Any) -> None:
    """Append an event, in the task's transaction if there is one.

    The payload has the keys that `EVENT_TYPES` names; JSON-able values and datetimes, no secrets.
    """
    await emit_all(event, [payload], store=store)


async def emit_all(event: EventType, payloads: Sequence[Mapping[str, Any]], *, store: Database | None = None) -> None:
    """Append events of one type, as `emit` does, by one statement."""
    if not payloads:
        return
    store = store or database
    run = _current.get()
    at = clock.now()
    await store.fetch(sql("runs/emit_events"), at, str(event), run and run.id, [dict(each) for each in payloads])
    for payload in payloads:
        discard = dispatcher.default.notify(event, payload, sender=str(run or ""), at=at)
        store.on_rollback(discard)


class Run:
    """A process's row in `runs`: written at its start, completed with its outcome, each with an event.

    `run_id`, `wave` (from 1) and `url` belong to the workflow run.
    """

    def __init__(
        self, agent: str, shard: str | None = None, *, run_id: str | None = None, wave: int | None = None,
        url: str | None = None,
    ) -> None:  # fmt: skip
        self.id = uuid.uuid4()
        self.agent, self.shard, self.run_id, self.wave, self.url = agent, shard, run_id, wave, url
        self._begun = False

    def __str__(self) -> str:
        return f"maia {self.agent}" + (f" {self.shard}" if self.shard else "")

    async def begin(self, store: Database | None = None) -> None:
        """Write the row and its event. Events that this task emits from now on name the run."""
        payload, at = {"agent": self.agent, "shard": self.shard}, clock.now()
        statement = bind(
            "runs/start_run", id=self.id, agent=self.agent, shard=self.shard, run_id=self.run_id, wave=self.wave,
            url=self.url, started_at=clock.real(), at=at, type=str(EventType.RUN_STARTED), payload=payload,
            clock=str(clock),
        )  # fmt: skip
        await (store or database).fetch(*statement)
        self._begun = True
        _current.set(self)
        dispatcher.default.notify(EventType.RUN_STARTED, payload, sender=str(self), at=at)

    async def finish(
        self, outcome: str, exit_code: int, stats: Mapping[str, Any], error: str | None, store: Database | None = None
    ) -> None:
        """Write how the run ended, and its events. Do nothing if it never began.

        People are notified even if the database refuses the row.
        """
        if not self._begun:
            return
        text = scrub(error) if error else None
        at = clock.now()
        ended: dict[EventType, dict[str, Any]] = {}
        if outcome == "churn":
            ended[EventType.CHURN] = {"agent": self.agent, "reason": text}
        ended[EventType.RUN_FINISHED] = run_finished(self.agent, self.shard, outcome, exit_code, text)
        for event, payload in ended.items():
            dispatcher.default.notify(event, payload, sender=str(self), at=at)
        statement = bind(
            "runs/finish_run", id=self.id, finished_at=clock.real(), outcome=outcome, exit_code=exit_code,
            stats=dict(stats), error=text, at=at, types=[str(event) for event in ended],
            payloads=list(ended.values()),
        )  # fmt: skip
        await (store or database).fetch(*statement)


def run_finished(agent: str, shard: str | None, outcome: str, exit_code: int, error: str | None) -> dict[str, Any]:
    """Return the payload of `run_finished`."""
    return {"agent": agent, "shard": shard, "outcome": str(outcome), "exit_code": int(exit_code), "error": error}


_current: contextvars.ContextVar[Run | None] = contextvars.ContextVar("atlas_run", default=None)
