"""The steps of an agent, as they are seen on its connections to the database and to the API."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from atlas.db.queries import names, sql


class Moment(StrEnum):
    """Before the server gets the step, or after it has answered and before the agent gets the answer."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Step:
    """A step at which an agent can be killed."""

    name: str
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment} {self.name}"


COMMIT = "commit"
OTHER = "other"  # what the driver asks on its own: types, the schema, the session

_COMMON = ("runs/start_run", "quota/load_suspensions", "runs/finish_run", "runs/emit_events", COMMIT)
_SHARED = ("quota/reserve_calls", "hunter/ingest_videos", "hunter/mark_archived")
_OF = {
    "hunter": (
        "asks search", "asks videos", "hunter/claim_topics", "hunter/claim_unfinished", "hunter/known_videos",
        "hunter/add_tags", "hunter/advance_topic", "claims/release_topics",
    ),
    "tracker": (
        "asks batchGetStats", "asks videos", "tracker/claim_videos", "tracker/update_videos", "claims/release_videos",
    ),
    "janitor": (
        "snapshots/maintenance/delete_batch", "snapshots/maintenance/oldest_batch", "retention/lock_stale_videos",
        "retention/expire_calls", "retention/expire_keys",
    ),
}  # fmt: skip

STEPS: dict[str, tuple[Step, ...]] = {
    agent: tuple(
        Step(name, moment) for name in (*own, *(_SHARED if agent != "janitor" else ()), *_COMMON) for moment in Moment
    )
    for agent, own in _OF.items()
}
"""Agent → the steps at which it can be killed: those that change something."""


@cache
def _names() -> dict[str, str]:
    """Return text → name of each statement that takes only parameters."""
    found: dict[str, str] = {}
    for name in names():
        try:
            found[sql(name)] = name
        except KeyError:
            continue  # its text holds identifiers, which only its caller knows
    return found


def name_of(statement: str) -> str:
    """Return the step of a statement, by its text."""
    if statement.startswith("COMMIT"):
        return COMMIT
    return _names().get(statement, OTHER)
