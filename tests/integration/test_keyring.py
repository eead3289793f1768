"""Key rings on a real PostgreSQL: rotation, suspensions that every shard knows, and the count of calls."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas.adapters.keys import KeyDAO
from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.config.keypool import fingerprint
from atlas.database import Database
from atlas.db.queries import sql
from atlas.errors import EmptyKeyRing, KeysRejected, RingExhausted
from atlas.keyring import KeyRing
from atlas.quota.buckets import Bucket
from atlas.quota.reservations import NO_CALLS, Reservation
from atlas.utils import KeyRing as PublicKeyRing

from ..support.clock_settings import standing_at
from ..support.tcp_proxy import wire_to

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 22, 20, tzinfo=UTC)  # Pacific
MIDNIGHT = datetime(2026, 11, 23, 8, tzinfo=UTC)  # Pacific, the next
SEARCH, UNITS, BATCH = Bucket.SEARCH, Bucket.UNITS, Bucket.BATCH
A, B, C = (fingerprint(key) for key in ("key-a", "key-b", "key-c"))


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
def statements(db: Database, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each statement was sent."""
    names = {
        sql(name): name
        for name in ("quota/reserve_calls", "quota/settle_calls", "quota/load_suspensions", "quota/suspend_bucket")
    }
    counted: Counter[str] = Counter()
    fetch = db.fetch

    async def counting(statement: str, *arguments: Any) -> Any:
        counted[names.get(statement, "other")] += 1
        return await fetch(statement, *arguments)

    monkeypatch.setattr(db, "fetch", counting)
    return counted


@pytest.fixture
async def deaf(dsn: str, db: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], None]]:
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


# ── rings ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_empty_ring_says_so_before_anything_is_asked(statements: Counter[str]) -> None:
    assert PublicKeyRing is KeyRing
    ring = KeyRing("tracking")
    with pytest.raises(EmptyKeyRing) as caught:
        await ring.acquire(UNITS)
    assert str(caught.value).startswith("Empty KeyRing: no keys for 'tracking' in YOUTUBE_API_KEY_POOL_JSON")
    with settings.override(youtube_api_key_pool_json=None), pytest.raises(EmptyKeyRing) as caught:
        KeyRing("hunting").keys()
    assert str(caught.value).startswith("Empty KeyRing: no keys for 'hunting' in YOUTUBE_API_KEY_POOL_JSON")
    assert not statements


async def test_a_reservation_holds_its_key_hidden_and_its_pacific_day(db: Database) -> None:
    reservation = await KeyRing("hunting").acquire(SEARCH)
    assert reservation.key.get_secret_value() == "key-a"
    assert "key-a" not in repr(reservation)
    assert (reservation.fingerprint, reservation.bucket, reservation.day.isoformat()) == (A, SEARCH, "2026-11-22")
    with at(MIDNIGHT - timedelta(minutes=1)):
        assert (await KeyRing("hunting").acquire(SEARCH)).day.isoformat() == "2026-11-22"
    with at(MIDNIGHT + timedelta(minutes=1)):
        assert (await KeyRing("hunting").acquire(SEARCH)).day.isoformat() == "2026-11-23"


async def test_shards_begin_with_different_keys(db: Database) -> None:
    rings = [KeyRing("hunting", start=n) for n in range(5)]
    assert [(await ring.acquire(SEARCH)).fingerprint for ring in rings] == [A, B, C, A, B]


async def test_rings_are_isolated(db: Database) -> None:
    with settings.override(youtube_api_key_pool_json='{"hunting": ["key-a"], "tracking": ["key-b"]}'):
        hunting = KeyRing("hunting")
        await hunting.quota_spent(await hunting.acquire(UNITS))
        with pytest.raises(RingExhausted):
            await hunting.acquire(UNITS)
        assert (await KeyRing("tracking").acquire(UNITS)).fingerprint == B


# ── buckets ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_spent_bucket_rotates_to_the_next_key_and_its_others_go_on(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "atlas.keyring")
    ring = KeyRing("hunting")
    await ring.quota_spent(await ring.acquire(SEARCH), limit=100)
    assert (await ring.acquire(SEARCH)).fingerprint == B
    assert (await ring.acquire(UNITS)).fingerprint == A
    assert (await ring.acquire(BATCH)).fingerprint == A
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert A in record.getMessage()
    assert "limit of 100" in record.getMessage()
    assert "it resets at 2026-11-23T08:00:00Z (in " in record.getMessage()
    assert await event_types(db) == ["quota_spent"]


async def test_another_shard_knows_at_once_though_it_had_looked_before(db: Database) -> None:
    other = KeyRing("hunting")
    assert (await other.acquire(SEARCH)).fingerprint == A
    ring = KeyRing("hunting")
    await ring.quota_spent(await ring.acquire(SEARCH))
    assert (await other.acquire(SEARCH)).fingerprint == B
    assert (await other.acquire(UNITS)).fingerprint == A


async def test_every_key_spent_is_an_exhausted_ring_until_midnight_pacific(db: Database) -> None:
    ring = KeyRing("hunting")
    for _ in range(3):
        await ring.quota_spent(await ring.acquire(SEARCH))
    for asked in (ring, KeyRing("hunting")):
        with pytest.raises(RingExhausted) as caught:
            await asked.acquire(SEARCH)
        assert caught.value.until == MIDNIGHT
    reserved = await counts(db)
    assert {key: made for key, (made, _) in reserved.items()} == {(key, "search"): 1 for key in (A, B, C)}
    with at(MIDNIGHT - timedelta(seconds=1)), pytest.raises(RingExhausted):
        await ring.acquire(SEARCH)
    with at(MIDNIGHT):
        assert (await ring.acquire(SEARCH)).fingerprint == A
        assert (await KeyRing("hunting").acquire(SEARCH)).fingerprint == A


async def test_the_next_day_is_another_event_and_log_line(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "atlas.keyring")
    ring = KeyRing("hunting")
    await ring.quota_spent(await ring.acquire(SEARCH))
    with at(MIDNIGHT):
        await ring.quota_spent(await ring.acquire(SEARCH))
        assert (await ring.acquire(SEARCH)).fingerprint == B
    assert await event_types(db) == ["quota_spent", "quota_spent"]
    assert len(caplog.records) == 2


async def test_a_burst_that_is_refused_is_one_event_and_one_line(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "atlas.keyring")
    ring, other = KeyRing("hunting"), KeyRing("hunting")
    reservations = [*await asyncio.gather(*(ring.acquire(SEARCH) for _ in range(10))), await other.acquire(SEARCH)]
    spent = [
        *(ring.quota_spent(reservation) for reservation in reservations[:-1]),
        other.quota_spent(reservations[-1]),
    ]
    await asyncio.gather(*spent)
    assert await event_types(db) == ["quota_spent"]
    assert len(caplog.records) == 1
    assert await counts(db) == {(A, "search"): (11, 11)}


async def test_keys_that_are_known_to_be_of_one_project_are_spent_together(db: Database) -> None:
    ring = KeyRing("hunting")
    await ring.quota_spent(await ring.acquire(SEARCH), project="42")
    await ring.quota_spent(await ring.acquire(SEARCH), project="42")
    assert (await ring.acquire(SEARCH)).fingerprint == C
    await ring.quota_spent(await ring.acquire(UNITS), project="42")
    assert (await ring.acquire(UNITS)).fingerprint == C
    await ring.quota_spent(await ring.acquire(BATCH))  # what names no project is still of a known one
    assert (await ring.acquire(BATCH)).fingerprint == C
    (first, second) = await KeyDAO().report(settings.key_rings)
    assert (first.fingerprints, first.project) == ((A, B), "42")
    assert second.fingerprints == (C,)


async def test_the_limit_that_youtube_named_is_kept_beside_the_setting(db: Database) -> None:
    ring = KeyRing("hunting")
    await ring.quota_spent(await ring.acquire(SEARCH), limit=77)
    with at(MIDNIGHT):
        await ring.quota_spent(await ring.acquire(SEARCH))
        report = (await KeyDAO().report(settings.key_rings))[0].buckets[0]
    assert (report.named, report.setting) == (77, 100)


async def test_a_lifted_suspension_is_known_to_a_ring_that_was_exhausted(db: Database) -> None:
    with pool("key-a"):
        ring = KeyRing("hunting")
        await ring.quota_spent(await ring.acquire(SEARCH))
        with pytest.raises(RingExhausted):
            await ring.acquire(SEARCH)
        (lifted,) = await KeyDAO().resume(A[:6])
        assert str(lifted).startswith(f"{A} search: day quota spent")
        assert (await ring.acquire(SEARCH)).fingerprint == A


# ── whole keys ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_rejected_key_is_skipped_for_every_bucket_by_every_shard(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ring, other = KeyRing("hunting"), KeyRing("hunting")
    await other.acquire(UNITS)
    await ring.reject(await ring.acquire(SEARCH), reason="API key not valid")
    for bucket in Bucket:
        for asked in (ring, other):
            assert (await asked.acquire(bucket)).fingerprint == B
    (record,) = caplog.records
    assert "API key not valid" in record.getMessage()
    assert "key-a" not in caplog.text
    assert await event_types(db) == ["key_suspended"]


async def test_when_every_key_is_rejected_each_is_named_with_its_reason(db: Database) -> None:
    ring = KeyRing("hunting")
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
        await ring.quota_spent(await ring.acquire(SEARCH))
        with pytest.raises(RingExhausted):
            await ring.acquire(SEARCH)


async def test_a_rejected_key_is_tried_again_after_24_hours(db: Database) -> None:
    ring = KeyRing("hunting")
    await ring.reject(await ring.acquire(SEARCH), reason="not valid")
    with at(NOON + timedelta(hours=23, minutes=59)):
        assert (await ring.acquire(SEARCH)).fingerprint == B
    with at(NOON + timedelta(hours=24, minutes=1)):
        for asked in (ring, KeyRing("hunting")):
            assert (await asked.acquire(SEARCH)).fingerprint == A


async def test_a_rejected_key_is_tried_again_when_the_pool_changes_and_a_spent_bucket_is_not(db: Database) -> None:
    ring = KeyRing("hunting")
    await ring.quota_spent(await ring.acquire(SEARCH))
    await ring.reject(await ring.acquire(UNITS), reason="not valid")
    with pool("key-a", "key-d"):
        changed = KeyRing("hunting")
        assert (await changed.acquire(UNITS)).fingerprint == A
        assert (await changed.acquire(SEARCH)).fingerprint == fingerprint("key-d")
        await changed.reject(await changed.acquire(UNITS), reason="still not valid")
        assert (await changed.acquire(UNITS)).fingerprint == fingerprint("key-d")
    assert await event_types(db) == ["quota_spent", "key_suspended", "key_suspended"]


# ── counting ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_call_is_reserved_before_it_is_made_and_settled_after(db: Database) -> None:
    ring = KeyRing("hunting")
    reservations = [await ring.acquire(SEARCH), await ring.acquire(SEARCH), await ring.acquire(UNITS)]
    assert await counts(db) == {(A, "search"): (2, 0), (A, "units"): (1, 0)}
    assert ring.calls == {"search": 2, "units": 1}
    await ring.settle(reservations)
    assert await counts(db) == {(A, "search"): (2, 2), (A, "units"): (1, 1)}


async def test_settling_twice_counts_once(db: Database) -> None:
    ring = KeyRing("hunting")
    reservation = await ring.acquire(SEARCH)
    await ring.settle([reservation, reservation])
    await ring.settle([reservation])
    await ring.release(reservation)
    await ring.settle([])
    assert await counts(db) == {(A, "search"): (1, 1)}
    assert ring.calls == {"search": 1}


async def test_a_refused_call_is_counted_apart_and_not_as_spent(db: Database) -> None:
    ring = KeyRing("hunting")
    granted, refused = await ring.acquire(SEARCH), await ring.acquire(SEARCH)
    await ring.settle([granted])
    await ring.refuse(refused)
    await ring.refuse(refused)
    assert await counts(db) == {(A, "search"): (2, 2)}
    assert (ring.calls, ring.refused) == ({"search": 1}, {"search": 1})
    report = (await KeyDAO().report(settings.key_rings))[0].buckets[0]
    assert (report.spent, report.refused) == (1, 1)
    left = await KeyDAO().calls_left(settings.key_rings, "hunting")
    assert left.number[SEARCH] == 3 * 100 - 1


@pytest.mark.parametrize("how", ["quota", "key"])
async def test_a_refusal_for_quota_or_key_is_not_spent_either(db: Database, how: str) -> None:
    ring = KeyRing("hunting")
    reservation = await ring.acquire(SEARCH)
    if how == "quota":
        await ring.quota_spent(reservation, limit=100)
    else:
        await ring.reject(reservation, reason="forbidden: Project 4711 has been deleted.")
    report = (await KeyDAO().report(settings.key_rings))[0].buckets[0]
    assert (report.spent, report.refused, ring.calls["search"], ring.refused["search"]) == (0, 1, 0, 1)


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("how", ["rate", "quota", "key"])
async def test_a_refusal_is_counted_once_though_an_answer_of_the_database_is_lost(
    db: Database, deaf: Callable[[], None], monkeypatch: pytest.MonkeyPatch, how: str, lost: int
) -> None:
    ring = KeyRing("hunting")
    reservation = await ring.acquire(SEARCH)
    fetch, settling = db.fetch, 0

    async def losing(statement: str, *arguments: Any) -> Any:
        nonlocal settling
        settling += statement == sql("quota/settle_calls")
        now = statement == sql("quota/settle_calls") and settling == lost
        if now and how == "rate" and lost == 1:
            deaf()  # of the statement: it stands alone
        rows = await fetch(statement, *arguments)
        if now and not (how == "rate" and lost == 1):
            deaf()  # of the COMMIT, which is next
        return rows

    monkeypatch.setattr(db, "fetch", losing)
    if how == "rate":
        await ring.refuse(reservation)
    elif how == "quota":
        await ring.quota_spent(reservation)
    else:
        await ring.reject(reservation, reason="API key not valid")
    assert settling >= 2
    usage = (await KeyDAO().report(settings.key_rings))[0].buckets[0]
    assert (usage.spent, usage.refused, reservation.open) == (0, 1, False)


async def test_a_refusal_that_is_rolled_back_waits_to_be_counted(db: Database) -> None:
    ring = KeyRing("hunting")
    reservation = await ring.acquire(SEARCH)
    with pytest.raises(LookupError):
        async with db.transaction():
            await ring.refuse(reservation)
            raise LookupError
    assert (ring.calls["search"], ring.refused["search"], reservation.open) == (1, 0, True)
    await ring.refuse(reservation)
    assert (ring.calls["search"], ring.refused["search"], reservation.open) == (0, 1, False)
    assert await counts(db) == {(A, "search"): (1, 1)}


async def test_a_call_that_never_left_is_not_counted(db: Database) -> None:
    ring = KeyRing("hunting")
    reservation = await ring.acquire(SEARCH)
    await ring.release(reservation)
    await ring.release(reservation)
    await ring.settle([reservation])
    assert await counts(db) == {(A, "search"): (0, 0)}
    assert ring.calls["search"] == 0


async def test_calls_that_start_together_are_reserved_together(db: Database, statements: Counter[str]) -> None:
    ring = KeyRing("hunting")
    await asyncio.gather(*(ring.acquire(SEARCH) for _ in range(50)))
    assert statements["quota/reserve_calls"] <= 2
    assert await counts(db) == {(A, "search"): (50, 0)}
    again = await asyncio.gather(*(ring.acquire(bucket) for bucket in [SEARCH, UNITS] * 25))
    assert statements["quota/reserve_calls"] <= 5
    await ring.settle(again)
    assert statements["quota/settle_calls"] == 1
    assert await counts(db) == {(A, "search"): (75, 25), (A, "units"): (25, 25)}


async def test_a_burst_on_a_key_that_is_spent_since_rotates_as_a_whole(db: Database) -> None:
    ring, other = KeyRing("hunting"), KeyRing("hunting")
    await ring.acquire(SEARCH)
    await other.quota_spent(await other.acquire(SEARCH))
    reservations = await asyncio.gather(*(ring.acquire(SEARCH) for _ in range(20)))
    assert {reservation.fingerprint for reservation in reservations} == {B}
    assert await counts(db) == {(A, "search"): (2, 1), (B, "search"): (20, 0)}


async def test_shards_that_count_at_once_lose_nothing(db: Database) -> None:
    async def shard(n: int) -> None:
        ring = KeyRing("hunting", start=n)
        for _ in range(10):
            await ring.settle([await ring.acquire(bucket) for bucket in (SEARCH, UNITS)])

    await asyncio.gather(*(shard(0) for _ in range(6)))
    assert await counts(db) == {(A, "search"): (60, 60), (A, "units"): (60, 60)}


async def test_of_calls_that_start_together_each_counts_for_its_own_day(db: Database) -> None:
    ring = KeyRing("hunting")
    with at(MIDNIGHT - timedelta(seconds=1)):
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


async def test_a_waiter_that_is_cancelled_makes_no_call_and_is_not_counted(db: Database) -> None:
    ring = KeyRing("hunting")
    await ring.acquire(UNITS)  # the ring has looked at the suspensions
    waiting = [asyncio.create_task(ring.acquire(SEARCH)) for _ in range(3)]
    while not ring._bursts:
        await asyncio.sleep(0)
    waiting[1].cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result).__name__ for result in done] == ["Reservation", "CancelledError", "Reservation"]
    assert (await counts(db))[A, "search"] == (2, 0)


async def test_a_call_that_is_given_back_is_not_taken_out_twice_where_the_answer_was_lost(
    db: Database, deaf: Callable[[], None]
) -> None:
    ring = KeyRing("hunting")
    made, first, second = [await ring.acquire(SEARCH) for _ in range(3)]
    await ring.release(first)  # the connection knows the statement now: it is one message
    deaf()
    await ring.release(second)
    assert (await counts(db))[A, "search"][0] >= 1, "one of them was made"
    await ring.settle([made])


# ── settled in a transaction ────────────────────────────────────────────────────────────────────────────────────────


async def test_what_a_callers_statement_settles_is_settled_once(db: Database, statements: Counter[str]) -> None:
    ring, dao = KeyRing("hunting"), MaiaDAO()
    reservations = [await ring.acquire(SEARCH), await ring.acquire(UNITS), await ring.acquire(UNITS)]
    with ring.settling(reservations) as calls:
        assert await dao.update_video_stats_batch([], calls=calls) == 0
    with ring.settling(reservations) as again:
        assert again == NO_CALLS
    await ring.settle(reservations)
    assert statements["quota/settle_calls"] == 0
    assert await counts(db) == {(A, "search"): (1, 1), (A, "units"): (2, 2)}


async def test_what_a_callers_statement_failed_to_settle_can_be_settled_again(db: Database) -> None:
    ring = KeyRing("hunting")
    reservation = await ring.acquire(SEARCH)
    with pytest.raises(RuntimeError), ring.settling([reservation]):
        assert not reservation.open
        raise RuntimeError
    with pytest.raises(RuntimeError):
        async with db.transaction():
            with ring.settling([reservation]) as calls:
                await MaiaDAO().update_search_state(0, None, 0, "waiting", calls=calls)
            raise RuntimeError
    assert reservation.open
    assert await counts(db) == {(A, "search"): (1, 0)}
    with ring.settling([reservation]) as calls:
        await MaiaDAO().update_search_state(0, None, 0, "waiting", calls=calls)  # a topic that nobody holds
    assert await counts(db) == {(A, "search"): (1, 1)}


@pytest.mark.parametrize("how", ["settle", "videos", "topic"])
async def test_no_more_calls_are_settled_than_reserved_where_answers_are_lost(
    db: Database, deaf: Callable[[], None], how: str
) -> None:
    """The statement was done and is sent again; whether calls of the same burst are still in flight then or not."""
    ring, dao = KeyRing("hunting"), MaiaDAO()
    await QueueDAO().add(["python", "guitar", "cooking"])
    topics = [row["id"] for row in await dao.fetch_hunter_batch(3)]

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


async def test_settled_in_a_savepoint_that_is_rolled_back_it_is_open_for_the_transaction(db: Database) -> None:
    ring = KeyRing("hunting")
    inner, outer = await ring.acquire(SEARCH), await ring.acquire(SEARCH)
    async with db.transaction():
        await ring.settle([outer])
        with pytest.raises(RuntimeError):
            async with db.transaction():
                await ring.settle([inner])
                raise RuntimeError
        assert (inner.open, outer.open) == (True, False)
        await ring.settle([inner])
    assert await counts(db) == {(A, "search"): (2, 2)}


async def test_settled_in_a_savepoint_it_is_open_again_if_the_transaction_is_rolled_back(db: Database) -> None:
    ring = KeyRing("hunting")
    reservation, back = await ring.acquire(SEARCH), await ring.acquire(SEARCH)
    with pytest.raises(RuntimeError):
        async with db.transaction():
            async with db.transaction():
                await ring.settle([reservation])
                await ring.release(back)
            raise RuntimeError
    assert reservation.open
    assert back.open
    assert ring.calls == {"search": 2}
    assert await counts(db) == {(A, "search"): (2, 0)}


async def test_a_reservation_made_inside_a_transaction_does_not_go_with_it(db: Database) -> None:
    ring = KeyRing("hunting")
    reservation: Reservation | None = None
    with pytest.raises(RuntimeError):
        async with db.transaction():
            reservation = await ring.acquire(SEARCH)
            raise RuntimeError
    assert reservation is not None
    await ring.settle([reservation])
    assert await counts(db) == {(A, "search"): (1, 1)}


async def test_a_suspension_survives_a_lost_connection(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = KeyRing("hunting")
    reservation = await ring.acquire(SEARCH)
    fetch, lost = db.fetch, []

    async def losing(statement: str, *arguments: Any) -> Any:
        if statement == sql("quota/settle_calls") and not lost:
            lost.append(True)
            await lose_connection(db, fetch)
        return await fetch(statement, *arguments)

    monkeypatch.setattr(db, "fetch", losing)
    await ring.quota_spent(reservation)
    assert lost
    assert (await ring.acquire(SEARCH)).fingerprint == B
    assert (await counts(db))[A, "search"] == (1, 1)
    assert await event_types(db) == ["quota_spent"]


async def lose_connection(db: Database, fetch: Any = None) -> None:
    """Ends the connection of the task's transaction, from another."""
    fetch = fetch or db.fetch
    (row,) = await fetch("SELECT pg_backend_pid() AS pid")
    other = await db.connect()
    try:
        await other.execute("SELECT pg_terminate_backend($1, 5000)", row["pid"])
    finally:
        await other.close()


async def test_a_refusal_of_the_day_that_has_ended_closes_nothing_of_the_new_one(db: Database) -> None:
    ring = KeyRing("hunting")
    with at(MIDNIGHT - timedelta(seconds=1)):
        reservation = await ring.acquire(SEARCH)
    with at(MIDNIGHT + timedelta(seconds=1)):
        await ring.quota_spent(reservation)
        assert (await ring.acquire(SEARCH)).fingerprint == A
    assert not reservation.open
    assert await db.fetch("SELECT 1 FROM key_suspensions") == []


async def test_right_after_midnight_a_refusal_closes_the_bucket_for_minutes_only(db: Database) -> None:
    ring = KeyRing("hunting")
    with at(MIDNIGHT + timedelta(minutes=1)):
        await ring.quota_spent(await ring.acquire(SEARCH))
        assert (await ring.acquire(SEARCH)).fingerprint == B
    with at(MIDNIGHT + timedelta(minutes=12)):
        assert (await KeyRing("hunting").acquire(SEARCH)).fingerprint == A
