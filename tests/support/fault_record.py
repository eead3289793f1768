"""A small run of the harness, written by hand, step by step, as the record that it would leave behind."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.chaos.checks import Check
from harness.chaos.record import Call, Change, Fault, Process, Record, ResultFile, Who

T0 = datetime(2026, 11, 22, 8, tzinfo=UTC)
LEASE = 5.0
SPEED = 1800
HUNTER, OTHER, TRACKER = Who("hunter 0/2", 11), Who("hunter 1/2", 12), Who("tracker 0/2", 21)
KEY = "fingerprint"

FREE = {"leased_until": None, "lease_token": None, "leased_by": None}
_TOPIC = {
    "query_term": "cats", "status": "active", "next_page_token": None, "last_searched_at": None, "due_at": None,
    "page": 0, "published_after": None, "published_before": None, "round_before": None, "round_ended_at": None,
    "oldest_read": None, "restarts": 0, "empty_answers": 0, "searches": 0, "results": 0, **FREE,
}  # fmt: skip
_VIDEO = {
    "zone": 1, "due_at": None, "last_updated_at": None, "enriched_at": None, "archived_at": None, "retired_at": None,
    "absences": 0, "last_absent_at": None, **FREE,
}  # fmt: skip
_NEW: dict[str, dict[str, Any]] = {
    "search_queue": _TOPIC,
    "videos": _VIDEO,
    "video_stats_log": {},
    "api_calls": {"reserved": 0, "settled": 0},
}


def page_token(offset: int) -> str:
    """As the sandbox writes one."""
    return base64.urlsafe_b64encode(offset.to_bytes(3, "big") + b"binding").decode()[:12]


@dataclass
class Story:
    """Tell a run. Each step takes a tenth of a real second."""

    now: datetime = T0
    tx: int = 0
    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    results: list[ResultFile] = field(default_factory=list)
    archived: set[str] = field(default_factory=set)
    leftover: list[str] = field(default_factory=list)
    windows: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)

    @property
    def schedule(self) -> datetime:
        return T0 + (self.now - T0) * SPEED

    def pass_(self, seconds: float = 0.1) -> None:
        self.now += timedelta(seconds=seconds)

    def begin(self) -> None:
        """The changes that follow are of a new transaction."""
        self.tx += 1
        self.pass_()

    def change(self, who: Who, relation: str, key: str, **new: Any) -> None:
        """Write a row: insert it where there is none."""
        old = self.rows.get((relation, key))
        row = self.rows[relation, key] = {**(old or _NEW[relation]), **new}
        self._note(who, relation, key, "update" if old else "insert", old or {}, row)

    def delete(self, who: Who, relation: str, key: str) -> None:
        self._note(who, relation, key, "delete", self.rows.pop((relation, key)), {})

    def _note(self, who: Who, relation: str, key: str, op: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        self.now += timedelta(microseconds=10)
        number = len(self.changes) + 1
        self.changes.append(Change(number, self.now, self.tx, self.now, who, relation, key, op, dict(old), dict(new)))

    def claim(self, who: Who, relation: str, *keys: str, seconds: float = LEASE) -> None:
        self.begin()
        token = f"token {len(self.changes)}"
        for key in keys:
            if relation == "search_queue":
                row = self.rows.get((relation, key), _TOPIC)
                begin = row["published_after"] or row["round_ended_at"] or T0 - timedelta(hours=24)
                self.windows[key] = (begin, row["published_before"] or self.schedule)
            until = self.now + timedelta(seconds=seconds, microseconds=10)
            self.change(who, relation, key, leased_until=until, lease_token=token, leased_by=who.place)

    def release(self, who: Who, relation: str, *keys: str) -> None:
        self.begin()
        for key in keys:
            self.change(who, relation, key, **FREE)

    def reserve(self, who: Who, bucket: str, number: int = 1) -> None:
        self.begin()
        key = f"{KEY} {bucket}"
        before = self.rows.get(("api_calls", key), {"reserved": 0})["reserved"]
        self.change(who, "api_calls", key, reserved=before + number, settled=0)

    def call(self, who: Who, endpoint: str, ids: Iterable[str] = (), *, reserved: bool = True, **more: Any) -> None:
        """Make a call, reserved before."""
        bucket = {"videos": "units"}.get(endpoint, endpoint)
        if reserved:
            self.reserve(who, bucket)
        self.pass_()
        given = {"params": {}, "key": KEY, "ids": tuple(ids)} | more
        self.calls.append(Call(len(self.calls) + 1, self.now, self.schedule, endpoint, bucket, who, **given))

    def search(self, who: Who, topic: str, ids: Iterable[str], **more: Any) -> None:
        """Search the page at which the topic stands."""
        row = self.rows["search_queue", topic]
        after, before = self.windows[topic]
        params = {"q": row["query_term"], "publishedAfter": f"{after:%FT%TZ}", "publishedBefore": f"{before:%FT%TZ}"}
        if row["next_page_token"]:
            params["pageToken"] = row["next_page_token"]
        self.call(who, "search", ids, params=params, **more)

    def store(self, who: Who, *ids: str) -> None:
        """Write new videos with their metadata and first snapshots; part of a transaction."""
        for id_ in ids:
            due = self.schedule + timedelta(hours=1)
            observed = {"enriched_at": self.schedule, "last_updated_at": self.schedule}
            self.change(who, "videos", id_, due_at=due, **observed)
            self.snapshot(who, id_, observed["last_updated_at"])

    def snapshot(self, who: Who, id_: str, at: datetime) -> None:
        """Write a snapshot; the table has no row of the video that could be updated."""
        self.change(who, "video_stats_log", id_, observed_at=at)
        self.rows.pop(("video_stats_log", id_))

    def advance(self, who: Who, topic: str, results: int, next_token: str | None) -> None:
        """Write how far a topic is; part of a transaction."""
        row = self.rows["search_queue", topic]
        after, before = self.windows[topic]
        new: dict[str, Any] = {
            "next_page_token": next_token, "searches": row["searches"] + 1, "results": row["results"] + results,
            "last_searched_at": self.schedule, **FREE,
        }  # fmt: skip
        if next_token is not None:
            new |= {"page": row["page"] + 1, "published_after": after, "published_before": before}
        else:
            new |= {"page": 0, "published_after": None, "published_before": None, "round_ended_at": before}
            new |= {"status": "waiting", "due_at": self.schedule + timedelta(hours=6)}
        self.change(who, "search_queue", topic, **new)

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
            self.snapshot(who, id_, at)
            self.change(who, "videos", id_, last_updated_at=at, due_at=at + timedelta(hours=1), **FREE)

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

    def end(self, who: Who, code: int = 0, *, run: int = 0, result: bool = True, killed: str | None = None) -> None:
        """End a process, with the result file that its code asks for."""
        self.pass_()
        process = Process(who.place, who.agent, run, who.pid, T0, self.now, code, killed, concurrency=4)
        self.processes.append(process)
        if code >= 0 and result:
            self.results.append(result_of(process))

    def fault(self, kind: str, place: str | None = None, step: str | None = None) -> None:
        self.faults.append(Fault(self.now, kind, place, step, self.now))

    def record(self) -> Record:
        given = {name: getattr(self, name) for name in ("calls", "processes", "faults", "changes", "damaged")}
        tables = {
            name: {key: row for (relation, key), row in self.rows.items() if relation == name}
            for name in ("search_queue", "videos")
        }
        return Record(
            **given, gathered=self.now + timedelta(seconds=1), lease_seconds=LEASE, topics=tables["search_queue"],
            videos=tables["videos"], archived=frozenset(self.archived), results=self.results,
            logs={"hunter-0.log": 10}, leftover=self.leftover,
        )  # fmt: skip

    def replace(self, number: int, **fields: Any) -> None:
        """Put another change in the place of one."""
        self.changes[number] = dataclasses.replace(self.changes[number], **fields)

    def finds(self, check: Check, *reasons: str) -> None:
        """Assert that a check has just these violations."""
        violations = check(self.record()).violations
        assert len(violations) == len(reasons), violations
        for reason, violation in zip(reasons, violations, strict=True):
            assert reason in violation


def result_of(process: Process) -> ResultFile:
    """Return what a process that ends so leaves behind."""
    agent, _, shard = process.place.partition(" ")
    outcome = {0: "ok", 69: "unavailable", 75: "churn", 143: "cancelled"}.get(process.code, "failure")
    value: dict[str, Any] = {"agent": agent, "shard": shard, "outcome": outcome, "exit_code": process.code, "stats": {}}
    if process.code:
        value["error"] = "it says what went wrong"
    return ResultFile(f"{agent}-{shard.partition('/')[0]}-{process.run}.json", value)
