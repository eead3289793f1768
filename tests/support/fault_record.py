"""A small run of the harness, written by hand, step by step, as the record that it would leave behind."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.chaos.record import Call, Change, Fault, Process, Record, ResultFile, Who

__all__ = ["HUNTER", "OTHER", "SPEED", "TRACKER", "Story", "page_token"]

T0 = datetime(2026, 11, 22, 8, tzinfo=UTC)
LEASE = 5.0
SPEED = 1800
HUNTER, OTHER, TRACKER = Who("hunter 0/2", 11), Who("hunter 1/2", 12), Who("tracker 0/2", 21)
KEY = "fingerprint"

_TOPIC = {
    "query_term": "cats", "status": "active", "next_page_token": None, "last_searched_at": None, "due_at": None,
    "page": 0, "published_after": None, "published_before": None, "round_before": None, "round_ended_at": None,
    "oldest_read": None, "restarts": 0, "empty_answers": 0, "searches": 0, "results": 0, "leased_until": None,
    "lease_token": None, "leased_by": None,
}  # fmt: skip
_VIDEO = {
    "zone": 1, "due_at": None, "last_updated_at": None, "enriched_at": None, "archived_at": None, "retired_at": None,
    "absences": 0, "last_absent_at": None, "leased_until": None, "lease_token": None, "leased_by": None,
}  # fmt: skip
_FREE = {"leased_until": None, "lease_token": None, "leased_by": None}
_NEW: dict[str, dict[str, Any]] = {
    "search_queue": _TOPIC,
    "videos": _VIDEO,
    "video_stats_log": {},
    "api_calls": {"reserved": 0, "settled": 0},
}


def page_token(offset: int) -> str:
    """As the sandbox writes one."""
    return base64.urlsafe_b64encode(offset.to_bytes(3, "big") + b"binding").decode()[:12]


class Story:
    """Tells a run. Each step takes a tenth of a real second."""

    def __init__(self) -> None:
        self.now = T0
        self.tx = 0
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        self.changes: list[Change] = []
        self.calls: list[Call] = []
        self.processes: list[Process] = []
        self.faults: list[Fault] = []
        self.results: list[ResultFile] = []
        self.archived: set[str] = set()
        self.leftover: list[str] = []
        self.windows: dict[str, tuple[datetime, datetime]] = {}
        self.damaged: list[str] = []

    @property
    def schedule(self) -> datetime:
        return T0 + (self.now - T0) * SPEED

    def pass_(self, seconds: float = 0.1) -> None:
        self.now += timedelta(seconds=seconds)

    def begin(self) -> None:
        """The changes that follow are of a new transaction."""
        self.tx += 1
        self.pass_()

    def change(self, who: Who, relation: str, key: str, *, began: datetime | None = None, **new: Any) -> Change:
        """Writes a row: inserts it where there is none."""
        old = self.rows.get((relation, key))
        row = {**(old or _NEW[relation]), **new}
        self.rows[relation, key] = row
        op = "insert" if old is None else "update"
        return self._note(who, relation, key, op, old or {}, row, began)

    def delete(self, who: Who, relation: str, key: str) -> Change:
        old = self.rows.pop((relation, key))
        return self._note(who, relation, key, "delete", old, {}, None)

    def _note(
        self, who: Who, relation: str, key: str, op: str, old: dict[str, Any], new: dict[str, Any],
        began: datetime | None,
    ) -> Change:  # fmt: skip
        self.now += timedelta(microseconds=10)
        change = Change(
            len(self.changes) + 1, self.now, self.tx, began or self.now, who, relation, key, op, dict(old), dict(new)
        )
        self.changes.append(change)
        return change

    def claim(self, who: Who, relation: str, *keys: str, seconds: float = LEASE, token: str | None = None) -> str:
        self.begin()
        token = token or f"token {len(self.changes)}"
        for key in keys:
            if relation == "search_queue":
                self._open_window(key)
            until = self.now + timedelta(seconds=seconds, microseconds=10)
            self.change(who, relation, key, leased_until=until, lease_token=token, leased_by=who.place)
        return token

    def _open_window(self, topic: str) -> None:
        row = self.rows.get(("search_queue", topic), _TOPIC)
        begin = row["published_after"] or row["round_ended_at"] or T0 - timedelta(hours=24)
        self.windows[topic] = (begin, row["published_before"] or self.schedule)

    def release(self, who: Who, relation: str, *keys: str) -> None:
        self.begin()
        for key in keys:
            self.change(who, relation, key, **_FREE)

    def reserve(self, who: Who, bucket: str, number: int = 1) -> None:
        self.begin()
        key = f"{KEY} {bucket}"
        before = self.rows.get(("api_calls", key), {"reserved": 0})["reserved"]
        self.change(who, "api_calls", key, reserved=before + number, settled=0)

    def call(self, who: Who, endpoint: str, ids: Iterable[str] = (), *, reserved: bool = True, **more: Any) -> Call:
        """A call, reserved before."""
        bucket = {"videos": "units"}.get(endpoint, endpoint)
        if reserved:
            self.reserve(who, bucket)
        self.pass_()
        params = more.pop("params", {})
        call = Call(
            len(self.calls) + 1, self.now, self.schedule, endpoint, bucket, who, params, KEY, ids=tuple(ids), **more
        )
        self.calls.append(call)
        return call

    def search(self, who: Who, topic: str, ids: Iterable[str], **more: Any) -> Call:
        """A search of the page at which the topic stands."""
        row = self.rows["search_queue", topic]
        after, before = self.windows[topic]
        params = {"q": row["query_term"], "publishedAfter": f"{after:%FT%TZ}", "publishedBefore": f"{before:%FT%TZ}"}
        if row["next_page_token"]:
            params["pageToken"] = row["next_page_token"]
        return self.call(who, "search", ids, params=params, **more)

    def store(self, who: Who, *ids: str) -> datetime:
        """New videos with their metadata and first snapshots; part of a transaction."""
        observed = self.schedule
        for id_ in ids:
            due = observed + timedelta(hours=1)
            self.change(who, "videos", id_, last_updated_at=observed, enriched_at=observed, due_at=due)
            self.change(who, "video_stats_log", id_, observed_at=observed)
            self.rows.pop(("video_stats_log", id_))
        return observed

    def advance(self, who: Who, topic: str, results: int, next_token: str | None) -> Change:
        """How far a topic is; part of a transaction."""
        row = self.rows["search_queue", topic]
        after, before = self.windows[topic]
        new: dict[str, Any] = {
            "next_page_token": next_token, "searches": row["searches"] + 1, "results": row["results"] + results,
            "last_searched_at": self.schedule, **_FREE,
        }  # fmt: skip
        if next_token is not None:
            new |= {"page": row["page"] + 1, "published_after": after, "published_before": before}
        else:
            new |= {"page": 0, "published_after": None, "published_before": None, "round_ended_at": before}
            new |= {"status": "waiting", "due_at": self.schedule + timedelta(hours=6)}
        return self.change(who, "search_queue", topic, **new)

    def hunt(self, who: Who, topic: str, ids: Iterable[str], next_token: str | None = None) -> None:
        """A whole page: claimed, searched, enriched, stored."""
        found = list(ids)
        self.claim(who, "search_queue", topic)
        self.search(who, topic, found)
        new = [id_ for id_ in found if ("videos", id_) not in self.rows]
        if new:
            self.call(who, "videos", new)
        self.begin()
        self.store(who, *new)
        self.advance(who, topic, len(found), next_token)

    def promote(self, who: Who, topic: str) -> None:
        self.begin()
        self.change(who, "search_queue", topic, status="active", due_at=None)

    def update(self, who: Who, *ids: str, observed: datetime | None = None) -> None:
        """What the Tracker writes of one answer."""
        self.begin()
        at = observed or self.schedule
        for id_ in ids:
            self.change(who, "video_stats_log", id_, observed_at=at)
            self.rows.pop(("video_stats_log", id_))
            self.change(who, "videos", id_, last_updated_at=at, due_at=at + timedelta(hours=1), **_FREE)

    def track(self, who: Who, *ids: str) -> None:
        """A reading: claimed, asked, written."""
        self.claim(who, "videos", *ids)
        self.call(who, "batchGetStats", ids)
        self.update(who, *ids)

    def archive(self, who: Who, *ids: str) -> None:
        self.begin()
        for id_ in ids:
            self.archived.add(id_)
            self.change(who, "videos", id_, archived_at=self.schedule)

    def end(self, who: Who, code: int = 0, *, run: int = 0, result: bool | None = None, **more: Any) -> Process:
        """A process ends; by default with the result file that its code asks for."""
        self.pass_()
        process = Process(
            who.place, who.agent, run, who.pid, T0 - timedelta(seconds=1), self.now, code, concurrency=4, **more
        )
        self.processes.append(process)
        if code >= 0 if result is None else result:
            self.results.append(result_of(process))
        return process

    def fault(self, kind: str, place: str | None = None, step: str | None = None) -> None:
        self.faults.append(Fault(self.now, kind, place, step, self.now))

    def record(self) -> Record:
        tables: dict[str, dict[str, dict[str, Any]]] = {"search_queue": {}, "videos": {}}
        for (relation, key), row in self.rows.items():
            tables.setdefault(relation, {})[key] = row
        return Record(
            calls=self.calls,
            processes=self.processes,
            faults=self.faults,
            changes=self.changes,
            gathered=self.now + timedelta(seconds=1),
            lease_seconds=LEASE,
            topics=tables["search_queue"],
            videos=tables["videos"],
            archived=frozenset(self.archived),
            damaged=self.damaged,
            results=self.results,
            logs={"hunter-0.log": 10},
            leftover=self.leftover,
        )

    def replace(self, number: int, **fields: Any) -> None:
        """Another change in the place of one."""
        self.changes[number] = dataclasses.replace(self.changes[number], **fields)


def result_of(process: Process) -> ResultFile:
    """What a process that ends so leaves behind."""
    agent, _, shard = process.place.partition(" ")
    outcome = {0: "ok", 1: "failure", 69: "unavailable", 75: "churn", 130: "cancelled", 143: "cancelled"}
    told: dict[str, Any] = {
        "agent": agent, "shard": shard, "outcome": outcome.get(process.code, "failure"), "exit_code": process.code,
        "stats": {},
    }  # fmt: skip
    if process.code:
        told["error"] = "it says what went wrong"
    return ResultFile(f"{agent}-{shard.partition('/')[0]}-{process.run}.json", told)
