"""Key rings on a real PostgreSQL: rotation, suspensions that every shard knows, and the count of calls."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas.adapters.keys import BucketReport, KeyDAO
from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.config.keypool import fingerprint
from atlas.database import Database
from atlas.db.queries import sql
from atlas.errors import EmptyKeyRing, KeysRejected, RingExhausted
from atlas.keyring import KeyRing
from atlas.quota.buckets import Bucket
from atlas.quota.ledger import NO_CALLS, Reservation
from atlas.utils import KeyRing as PublicKeyRing

from ..support.clock_settings import standing_at
from ..support.tcp_proxy import wire_to

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 22, 20, tzinfo=UTC)  # Pacific
MIDNIGHT = datetime(2026, 11, 23, 8, tzinfo=UTC)  # Pacific, the next
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
SEARCH, UNITS, BATCH = Bucket.SEARCH, Bucket.UNITS, Bucket.BATCH
A, B, C, D = (fingerprint(key) for key in ("key-a", "key-b", "key-c", "key-d"))
SETTLE = sql("quota/settle_calls")


def at(moment: datetime) -> Any:
    """The schedule clock, standing nearly still at a moment."""
    return settings.override(atlas_clock=standing_at(moment))


def pool(*keys: str, ring: str = "hunting") -> Any:
    return settings.override(youtube_api_key_pool_json=json.dumps({ring: keys}))


@pytest.fixture(autouse=True)
def three_keys(db: Database) -> Iterator[None]:
    with pool("key-a", "key-b", "key-c"), at(NOON):
        yield


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing("hunting")


@pytest.fixture
def statements(db: Database, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each statement was sent."""
    counted: Counter[str] = Counter()
    fetch = db.fetch

    async def counting(statement: str, *arguments: Any) -> Any:
        counted[statement] += 1
        return await fetch(statement, *arguments)

    monkeypatch.setattr(db, "fetch", counting)
    return counted


@pytest.fixture
async def deaf(dsn: str, db: Database) -> AsyncIterator[Callable[[], None]]:
    """Calling it has the database's next answer lost, with its connection: what was asked is done."""
    async with wire_to(dsn) as wire:
        await db.close()
        with settings.override(database_url=wire.dsn()):
            yield wire.lose_next_answer
        await db.close()


async def counts(db: Database) -> dict[tuple[str, str], tuple[int, int]]:
    rows = await db.fetch(
        "SELECT fingerprint, bucket, sum(reserved)::int AS reserved, sum(settled)::int AS settled FROM api_calls "
        "GROUP BY 1, 2"
    )
    return {(row["fingerprint"], row["bucket"]): (row["reserved"], row["settled"]) for row in rows}


async def event_types(db: Database) -> list[str]:
    return [row["type"] for row in await db.fetch("SELECT type FROM events ORDER BY id")]


async def used(ring: KeyRing, bucket: Bucket = SEARCH) -> str:
    """The fingerprint of the key of the next call."""
    return (await ring.acquire(bucket)).fingerprint


async def spend(ring: KeyRing, bucket: Bucket = SEARCH, **named: Any) -> None:
    await ring.quota_spent(await ring.acquire(bucket), **named)


async def search_report() -> BucketReport:
    return (await KeyDAO().report(settings.key_rings))[0].buckets[0]


@contextlib.asynccontextmanager
async def rolled_back(db: Database) -> AsyncIterator[None]:
    with pytest.raises(LookupError):
        async with db.transaction():
            yield
            raise LookupError


# ── rings ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_empty_ring_says_so_before_anything_is_asked(statements: Counter[str]) -> None:
    assert PublicKeyRing is KeyRing
    with pytest.raises(EmptyKeyRing, match=r"^Empty KeyRing: no keys for 'tracking' in YOUTUBE_API_KEY_POOL_JSON"):
        await KeyRing("tracking").acquire(UNITS)
    with (
        settings.override(youtube_api_key_pool_json=None),
        pytest.raises(EmptyKeyRing, match=r"^Empty KeyRing: no keys for 'hunting' in YOUTUBE_API_KEY_POOL_JSON"),
    ):
        KeyRing("hunting").keys()
    assert not statements


async def test_a_reservation_holds_its_key_hidden_and_its_pacific_day(db: Database, ring: KeyRing) -> None:
    reservation = await ring.acquire(SEARCH)
    assert reservation.key.get_secret_value() == "key-a"
    assert "key-a" not in repr(reservation)
    assert (reservation.fingerprint, reservation.bucket, reservation.day.isoformat()) == (A, SEARCH, "2026-11-22")
    for moment, day in ((MIDNIGHT - MINUTE, "2026-11-22"), (MIDNIGHT + MINUTE, "2026-11-23")):
        with at(moment):
            assert (await KeyRing("hunting").acquire(SEARCH)).day.isoformat() == day


async def test_shards_begin_with_different_keys_and_rings_are_isolated(db: Database) -> None:
    assert [await used(KeyRing("hunting", start=n)) for n in range(5)] == [A, B, C, A, B]
    with settings.override(youtube_api_key_pool_json='{"hunting": ["key-a"], "tracking": ["key-b"]}'):
        hunting = KeyRing("hunting")
        await spend(hunting, UNITS)
        with pytest.raises(RingExhausted):
            await hunting.acquire(UNITS)
        assert await used(KeyRing("tracking"), UNITS) == B


# ── buckets ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_spent_bucket_rotates_to_the_next_key_for_every_shard_and_its_others_go_on(
    db: Database, ring: KeyRing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "atlas.keyring")
    other = KeyRing("hunting")
    assert await used(other) == A, "it has looked before"
    await spend(ring, limit=77)
    for each in (ring, other):
        assert [await used(each, bucket) for bucket in (SEARCH, UNITS, BATCH)] == [B, A, A]
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    for text in (A, "limit of 77", "it resets at 2026-11-23T08:00:00Z (in "):
        assert text in record.getMessage()
    with at(MIDNIGHT):  # the next day is another event and log line; the limit that was named is kept
        await spend(ring)
        assert await used(ring) == B
        report = await search_report()
    assert (report.named, report.setting) == (77, 100)
    assert await event_types(db) == ["quota_spent", "quota_spent"]
    assert len(caplog.records) == 2


async def test_every_key_spent_is_an_exhausted_ring_until_midnight_pacific(db: Database, ring: KeyRing) -> None:
    for _ in range(3):
        await spend(ring)
    for asked in (ring, KeyRing("hunting")):
        with pytest.raises(RingExhausted) as caught:
            await asked.acquire(SEARCH)
        assert caught.value.until == MIDNIGHT
    assert {key: made for key, (made, _) in (await counts(db)).items()} == {(key, "search"): 1 for key in (A, B, C)}
    with at(MIDNIGHT - SECOND), pytest.raises(RingExhausted):
        await ring.acquire(SEARCH)
    with at(MIDNIGHT):
        assert await used(ring) == await used(KeyRing("hunting")) == A


async def test_a_burst_that_is_refused_is_one_event_and_one_line(
    db: Database, ring: KeyRing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "atlas.keyring")
    other = KeyRing("hunting")
    mine, theirs = await asyncio.gather(*(ring.acquire(SEARCH) for _ in range(10))), await other.acquire(SEARCH)
    await asyncio.gather(*(ring.quota_spent(each) for each in mine), other.quota_spent(theirs))
    assert await event_types(db) == ["quota_spent"]
    assert len(caplog.records) == 1
    assert await counts(db) == {(A, "search"): (11, 11)}


async def test_keys_that_are_known_to_be_of_one_project_are_spent_together(db: Database, ring: KeyRing) -> None:
    await spend(ring, project="42")
    await spend(ring, project="42")
    assert await used(ring) == C
    await spend(ring, UNITS, project="42")
    assert await used(ring, UNITS) == C
    await spend(ring, BATCH)  # what names no project is still of a known one
    assert await used(ring, BATCH) == C
    (first, second) = await KeyDAO().report(settings.key_rings)
    assert (first.fingerprints, first.project) == ((A, B), "42")
    assert second.fingerprints == (C,)


async def test_a_lifted_suspension_is_known_to_a_ring_that_was_exhausted(db: Database) -> None:
    with pool("key-a"):
        ring = KeyRing("hunting")
        await spend(ring)
        with pytest.raises(RingExhausted):
            await ring.acquire(SEARCH)
        (lifted,) = await KeyDAO().resume(A[:6])
        assert str(lifted).startswith(f"{A} search: day quota spent")
        assert await used(ring) == A


async def test_a_refusal_of_the_day_that_has_ended_closes_nothing_of_the_new_one(db: Database, ring: KeyRing) -> None:
    with at(MIDNIGHT - SECOND):
        reservation = await ring.acquire(SEARCH)
    with at(MIDNIGHT + SECOND):
        await ring.quota_spent(reservation)
        assert await used(ring) == A
    assert not reservation.open
    assert await db.fetch("SELECT 1 FROM key_suspensions") == []


async def test_right_after_midnight_a_refusal_closes_the_bucket_for_minutes_only(db: Database, ring: KeyRing) -> None:
    with at(MIDNIGHT + MINUTE):
        await spend(ring)
        assert await used(ring) == B
    with at(MIDNIGHT + 12 * MINUTE):
        assert await used(KeyRing("hunting")) == A


# ── whole keys ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_rejected_key_is_skipped_for_every_bucket_by_every_shard_for_24_hours(
    db: Database, ring: KeyRing, caplog: pytest.LogCaptureFixture
) -> None:
    other = KeyRing("hunting")
    await other.acquire(UNITS)
    await ring.reject(await ring.acquire(SEARCH), reason="API key not valid")
    assert [await used(each, bucket) for bucket in Bucket for each in (ring, other)] == [B] * 6
    (record,) = caplog.records
    assert "API key not valid" in record.getMessage()
    assert "key-a" not in caplog.text
    assert await event_types(db) == ["key_suspended"]
    with at(NOON + timedelta(hours=24) - MINUTE):
        assert await used(ring) == B
    with at(NOON + timedelta(hours=24) + MINUTE):
        assert await used(ring) == await used(KeyRing("hunting")) == A


async def test_when_every_key_is_rejected_each_is_named_with_its_reason(db: Database, ring: KeyRing) -> None:
    for reason in ("not valid", "blocked", "expired"):
        await ring.reject(await ring.acquire(SEARCH), reason=reason)
    for asked in (ring, KeyRing("hunting")):
        with pytest.raises(KeysRejected) as caught:
            await asked.acquire(UNITS)
        for text in (f"{A}: not valid", f"{B}: blocked", f"{C}: expired"):
            assert text in str(caught.value)
        assert "key-a" not in str(caught.value)


async def test_a_ring_of_rejected_and_spent_keys_is_exhausted(db: Database) -> None:
    with pool("key-a", "key-b"):
        ring = KeyRing("hunting")
        await ring.reject(await ring.acquire(SEARCH), reason="not valid")
        await spend(ring)
        with pytest.raises(RingExhausted):
            await ring.acquire(SEARCH)


async def test_a_rejected_key_is_tried_again_when_the_pool_changes_and_a_spent_bucket_is_not(
    db: Database, ring: KeyRing
) -> None:
    await spend(ring)
    await ring.reject(await ring.acquire(UNITS), reason="not valid")
    with pool("key-a", "key-d"):
        changed = KeyRing("hunting")
        assert (await used(changed, UNITS), await used(changed)) == (A, D)
        await changed.reject(await changed.acquire(UNITS), reason="still not valid")
        assert await used(changed, UNITS) == D
    assert await event_types(db) == ["quota_spent", "key_suspended", "key_suspended"]


# ── counting ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_call_is_reserved_before_it_is_made_and_settled_once_after(db: Database, ring: KeyRing) -> None:
    reservations = [await ring.acquire(SEARCH), await ring.acquire(SEARCH), await ring.acquire(UNITS)]
    assert await counts(db) == {(A, "search"): (2, 0), (A, "units"): (1, 0)}
    await ring.settle([*reservations, reservations[0]])
    await ring.settle(reservations)
    await ring.release(reservations[0])
    await ring.settle([])
    assert await counts(db) == {(A, "search"): (2, 2), (A, "units"): (1, 1)}
    assert ring.calls == {"search": 2, "units": 1}


async def test_a_call_that_never_left_is_not_counted(db: Database, ring: KeyRing) -> None:
    reservation = await ring.acquire(SEARCH)
    await ring.release(reservation)
    await ring.release(reservation)
    await ring.settle([reservation])
    assert await counts(db) == {(A, "search"): (0, 0)}
    assert ring.calls["search"] == 0


async def refuse(ring: KeyRing, reservation: Reservation, how: str) -> None:
    if how == "rate":
        await ring.refuse(reservation)
    elif how == "quota":
        await ring.quota_spent(reservation, limit=100)
    else:
        await ring.reject(reservation, reason="forbidden: Project 4711 has been deleted.")


@pytest.mark.parametrize("how", ["rate", "quota", "key"])
async def test_a_refused_call_is_counted_apart_and_not_as_spent(db: Database, ring: KeyRing, how: str) -> None:
    granted, refused = await ring.acquire(SEARCH), await ring.acquire(SEARCH)
    await ring.settle([granted])
    async with rolled_back(db):
        await ring.refuse(refused)
    assert (ring.calls["search"], ring.refused["search"], refused.open) == (2, 0, True), "it waits to be counted"
    await refuse(ring, refused, how)
    await ring.refuse(refused)
    assert (await counts(db))[A, "search"] == (2, 2)
    assert (ring.calls["search"], ring.refused["search"], refused.open) == (1, 1, False)
    report = await search_report()
    assert (report.spent, report.refused) == (1, 1)
    if how == "rate":
        left = await KeyDAO().calls_left(settings.key_rings, "hunting")
        assert left.number[SEARCH] == 3 * 100 - 1


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("how", ["rate", "quota", "key"])
async def test_a_refusal_is_counted_once_though_an_answer_of_the_database_is_lost(
    db: Database, ring: KeyRing, deaf: Callable[[], None], monkeypatch: pytest.MonkeyPatch, how: str, lost: int
) -> None:
    reservation = await ring.acquire(SEARCH)
    alone = how == "rate" and lost == 1  # the statement stands alone; else its COMMIT is what is lost
    fetch, settling = db.fetch, 0

    async def losing(statement: str, *arguments: Any) -> Any:
        nonlocal settling
        settling += statement == SETTLE
        now = statement == SETTLE and settling == lost
        if now and alone:
            deaf()
        rows = await fetch(statement, *arguments)
        if now and not alone:
            deaf()
        return rows

    monkeypatch.setattr(db, "fetch", losing)
    await refuse(ring, reservation, how)
    assert settling >= 2
    usage = await search_report()
    assert (usage.spent, usage.refused, reservation.open) == (0, 1, False)


async def test_calls_that_start_together_are_reserved_together(
    db: Database, ring: KeyRing, statements: Counter[str]
) -> None:
    await asyncio.gather(*(ring.acquire(SEARCH) for _ in range(50)))
    assert statements[sql("quota/reserve_calls")] <= 2
    assert await counts(db) == {(A, "search"): (50, 0)}
    again = await asyncio.gather(*(ring.acquire(bucket) for bucket in [SEARCH, UNITS] * 25))
    assert 0 < statements[sql("quota/reserve_calls")] <= 5
    await ring.settle(again)
    assert statements[SETTLE] == 1
    assert await counts(db) == {(A, "search"): (75, 25), (A, "units"): (25, 25)}


async def test_a_burst_on_a_key_that_is_spent_since_rotates_as_a_whole(db: Database, ring: KeyRing) -> None:
    await ring.acquire(SEARCH)
    await spend(KeyRing("hunting"))
    assert set(await asyncio.gather(*(used(ring) for _ in range(20)))) == {B}
    assert await counts(db) == {(A, "search"): (2, 1), (B, "search"): (20, 0)}


async def test_shards_that_count_at_once_lose_nothing(db: Database) -> None:
    async def shard() -> None:
        ring = KeyRing("hunting")
        for _ in range(10):
            await ring.settle([await ring.acquire(bucket) for bucket in (SEARCH, UNITS)])

    await asyncio.gather(*(shard() for _ in range(6)))
    assert await counts(db) == {(A, "search"): (60, 60), (A, "units"): (60, 60)}


async def test_of_calls_that_start_together_each_counts_for_its_own_day(db: Database, ring: KeyRing) -> None:
    with at(MIDNIGHT - SECOND):
        await ring.acquire(UNITS)  # the ring has looked at the suspensions

        async def after_midnight() -> Reservation:
            with at(MIDNIGHT):
                return await ring.acquire(SEARCH)

        await ring.settle(await asyncio.gather(ring.acquire(SEARCH), after_midnight()))
    rows = await db.fetch(
        "SELECT day::text, sum(reserved)::int, sum(settled)::int FROM api_calls WHERE bucket = 'search' "
        "GROUP BY day ORDER BY day"
    )
    assert [tuple(row) for row in rows] == [("2026-11-22", 1, 1), ("2026-11-23", 1, 1)]


async def test_a_waiter_that_is_cancelled_makes_no_call_and_is_not_counted(db: Database, ring: KeyRing) -> None:
    await ring.acquire(UNITS)  # the ring has looked at the suspensions
    waiting = [asyncio.create_task(ring.acquire(SEARCH)) for _ in range(3)]
    while not ring._bursts:
        await asyncio.sleep(0)
    waiting[1].cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result).__name__ for result in done] == ["Reservation", "CancelledError", "Reservation"]
    assert (await counts(db))[A, "search"] == (2, 0)


async def test_a_release_whose_answer_is_lost_takes_out_no_other_call(
    db: Database, ring: KeyRing, deaf: Callable[[], None]
) -> None:
    made, first, second = [await ring.acquire(SEARCH) for _ in range(3)]
    await ring.release(first)  # the connection knows the statement now: it is one message
    deaf()
    await ring.release(second)
    assert (await counts(db))[A, "search"][0] >= 1, "one of them was made"
    await ring.settle([made])


# ── settled in a transaction ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_callers_statement_settles_once_and_again_only_where_it_failed(
    db: Database, ring: KeyRing, statements: Counter[str]
) -> None:
    dao, reservations = MaiaDAO(), [await ring.acquire(bucket) for bucket in (SEARCH, UNITS, UNITS)]
    with pytest.raises(LookupError), ring.settling(reservations):
        assert not any(each.open for each in reservations)
        raise LookupError
    async with rolled_back(db):
        with ring.settling(reservations) as calls:
            await dao.update_video_stats_batch([], calls=calls)
    assert all(each.open for each in reservations)
    assert await counts(db) == {(A, "search"): (1, 0), (A, "units"): (2, 0)}
    with ring.settling(reservations) as calls:
        assert await dao.update_video_stats_batch([], calls=calls) == 0
    with ring.settling(reservations) as again:
        assert again == NO_CALLS
    await ring.settle(reservations)
    assert statements[SETTLE] == 0
    assert await counts(db) == {(A, "search"): (1, 1), (A, "units"): (2, 2)}


@pytest.mark.parametrize("how", ["settle", "videos", "topic"])
async def test_no_more_calls_are_settled_than_reserved_where_answers_are_lost(
    db: Database, ring: KeyRing, deaf: Callable[[], None], how: str
) -> None:
    """The statement was done and is sent again; whether calls of the same burst are still in flight then or not."""
    dao = MaiaDAO()
    await QueueDAO().add(["python", "guitar"])
    topics = [*(row["id"] for row in await dao.fetch_hunter_batch(3)), 0]  # and one without a claim

    async def settle(reservation: Reservation, topic: int) -> None:
        if how == "settle":
            await ring.settle([reservation])
            return
        with ring.settling([reservation]) as calls:
            if how == "videos":
                await dao.update_video_stats_batch([], calls=calls)
            else:
                await dao.update_search_state(topic, None, 0, "waiting", calls=calls)

    reservations = [*await asyncio.gather(ring.acquire(SEARCH), ring.acquire(SEARCH)), await ring.acquire(SEARCH)]
    await settle(reservations[0], topics[0])  # the connection knows the statement now: it is one message
    for reservation, topic in zip(reservations[1:], topics[1:], strict=True):
        deaf()
        await settle(reservation, topic)
    assert await counts(db) == {(A, "search"): (3, 3)}


async def test_what_is_settled_in_a_savepoint_is_open_again_where_either_is_rolled_back(
    db: Database, ring: KeyRing
) -> None:
    inner, outer, released = [await ring.acquire(SEARCH) for _ in range(3)]
    async with rolled_back(db), db.transaction():
        await ring.settle([inner])
        await ring.release(released)
    assert inner.open
    assert released.open
    assert ring.calls == {"search": 3}
    assert await counts(db) == {(A, "search"): (3, 0)}
    async with db.transaction():
        await ring.settle([outer])
        async with rolled_back(db):
            await ring.settle([inner])
        assert (inner.open, outer.open) == (True, False)
        await ring.settle([inner])
    assert await counts(db) == {(A, "search"): (3, 2)}


async def test_a_reservation_made_inside_a_transaction_does_not_go_with_it(db: Database, ring: KeyRing) -> None:
    async with rolled_back(db):
        reservation = await ring.acquire(SEARCH)
    await ring.settle([reservation])
    assert await counts(db) == {(A, "search"): (1, 1)}


async def test_a_suspension_survives_a_lost_connection(
    db: Database, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    reservation = await ring.acquire(SEARCH)
    fetch, lost = db.fetch, []

    async def losing(statement: str, *arguments: Any) -> Any:
        if statement == SETTLE and not lost:
            lost.append(True)
            (row,) = await fetch("SELECT pg_backend_pid() AS pid")
            other = await db.connect()
            try:
                await other.execute("SELECT pg_terminate_backend($1, 5000)", row["pid"])
            finally:
                await other.close()
        return await fetch(statement, *arguments)

    monkeypatch.setattr(db, "fetch", losing)
    await ring.quota_spent(reservation)
    assert lost
    assert await used(ring) == B
    assert (await counts(db))[A, "search"] == (1, 1)
    assert await event_types(db) == ["quota_spent"]
