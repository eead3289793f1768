"""Telling people of events: one message of many shards that meet the same thing; a real database and a real server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from apprise.plugins.telegram import NotifyTelegram
from pydantic import SecretStr

from atlas import events, notifier
from atlas.config import settings
from atlas.database import Database
from atlas.event_types import EventType
from atlas.events import finished
from atlas.notifier import dispatcher
from atlas.notifier.dispatcher import Teller

from ..support.fake_chat_services import chat_services
from ..support.fake_webhook import Service, service
from ..support.tcp_proxy import wire_to

pytestmark = [
    pytest.mark.integration,
    # Apprise's mail service imports imghdr, which Python 3.11 calls deprecated
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]

KEY = {"fingerprint": "a1b2c3d4e5f6", "reason": "API_KEY_INVALID", "until": None}
OTHER_KEY = KEY | {"fingerprint": "ffffffffffff"}
SUSPENDED = EventType.KEY_SUSPENDED


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service that NOTIFY_URLS names, and a process that has told nobody yet."""
    monkeypatch.setattr(notifier, "_said", set())
    monkeypatch.setattr(dispatcher, "teller", Teller())
    with service() as state:
        monkeypatch.setenv("NOTIFY_URLS", state.url())
        settings.reload()
        yield state


async def told(*payloads: dict[str, Any], store: Database | None = None, event: EventType = SUSPENDED) -> None:
    """A process of its own that meets these, and ends."""
    teller = Teller(store)
    for payload in payloads:
        teller.note(event, payload)
    await teller.finish()


async def interval_passes(db: Database) -> None:
    await db.fetch("UPDATE notifications SET told_at = told_at - interval '60 minutes'")


async def test_200_processes_that_meet_the_same_thing_send_one_message(db: Database, dsn: str, people: Service) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(Database().session()) for _ in range(5)]  # 20 connections at most
        tellers = [Teller(stores[number % len(stores)]) for number in range(200)]
        for number, teller in enumerate(tellers):
            teller.note(SUSPENDED, KEY, who=f"maia hunter {number}/200")
        await asyncio.gather(*(teller.finish(60) for teller in tellers))
        assert people.titles == ["key a1b2c3d4e5f6 is suspended: API_KEY_INVALID"]
        (row,) = await db.fetch("SELECT type, subject, told, suppressed FROM notifications")
        assert tuple(row) == ("key_suspended", "a1b2c3d4e5f6", 1, 199)

        people.received.clear()
        await interval_passes(db)
        for teller in tellers:
            teller.note(SUSPENDED, KEY)
        await asyncio.gather(*(teller.finish(60) for teller in tellers))
    ((_, body),) = people.received
    # what was held back before it, and what others counted before it in this round
    (row,) = await db.fetch("SELECT told, suppressed FROM notifications")
    assert row["told"] + row["suppressed"] == 199 + 200
    assert row["told"] >= 200
    assert f"(and {row['told'] - 1} more of the same since the last message)" in body["message"]


async def test_different_things_are_told_apart_and_those_of_one_type_together(db: Database, people: Service) -> None:
    await told(KEY)
    await told(KEY, OTHER_KEY, OTHER_KEY)
    await told(finished("hunter", "0/2", "failure", 1, "it broke"), event=EventType.RUN_FINISHED)
    await told(finished("hunter", "1/2", "failure", 1, "it broke"), event=EventType.RUN_FINISHED)
    await told(finished("tracker", "0/2", "failure", 1, "it broke"), event=EventType.RUN_FINISHED)
    await told(finished("hunter", "0/2", "config", 78, "no key"), event=EventType.RUN_FINISHED)
    assert people.titles == [
        "key a1b2c3d4e5f6 is suspended: API_KEY_INVALID",
        "key ffffffffffff is suspended: API_KEY_INVALID",
        "maia hunter 0/2: failure (1)",
        "maia tracker 0/2: failure (1)",
        "maia hunter 0/2: config (78)",
    ]
    assert "1 more of the same" in people.received[1][1]["message"]
    assert [body["type"] for _, body in people.received] == ["failure"] * 5

    people.received.clear()
    await interval_passes(db)
    await told(KEY, OTHER_KEY)
    assert people.titles == ["2 events: key suspended"]
    assert people.received[0][1]["message"].count("is suspended") == 2


@pytest.mark.parametrize(("level", "number"), [("info", 3), ("warning", 2), ("error", 1)])
async def test_what_is_below_the_level_is_not_told(db: Database, people: Service, level: str, number: int) -> None:
    with settings.override(notify_level=level):
        await told({"agent": "hunter", "reason": "too fast"}, event=EventType.CHURN)
        await told({"failed": 2, "error": None}, event=EventType.ARCHIVE_FAILED)
        await told(KEY)
    assert len(people.received) == number
    assert len(await db.fetch("SELECT FROM notifications")) == number


async def test_what_no_entry_takes_is_neither_told_nor_claimed(db: Database, people: Service) -> None:
    with settings.override(notify_urls=SecretStr(f"breakout={people.url()}")):
        await told(KEY)
        assert not await db.fetch("SELECT FROM notifications")
        await told({"video_id": "v1", "views_per_hour": 5.0, "views": 9}, event=EventType.BREAKOUT)
    assert people.titles == ["video v1 gains 5 views an hour"]


async def test_an_interval_of_nothing_tells_each_time(db: Database, people: Service) -> None:
    with settings.override(notify_interval_minutes=0):
        await told(KEY)
        await told(KEY)
    assert len(people.received) == 2


async def test_a_message_that_nobody_took_is_told_by_the_next(db: Database, people: Service) -> None:
    people.status = 500
    await told(KEY)
    await told(KEY)
    assert len(people.received) == 2, "each tried"
    people.status = 200
    await told(KEY)
    assert "(and 2 more of the same since the last message)" in people.received[-1][1]["message"]
    await told(KEY)
    assert len(people.received) == 3


async def test_a_message_that_one_of_two_chats_refuses_is_not_sent_again_to_the_other(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chat_services() as chats:
        monkeypatch.setattr(notifier, "_said", set())
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://127.0.0.1:{chats.port}/telegram")
        with settings.override(notify_urls=SecretStr("tgram://123456789:AbCdEfGhIjKlMnOpQrStUvWxYz/77777/666")):
            await told(KEY)
            await told(KEY)
    assert len(chats.shown["telegram"]) == 1
    (row,) = await db.fetch("SELECT told, suppressed FROM notifications")
    assert tuple(row) == (1, 1)


async def test_what_is_sent_beside_the_work_and_not_taken_is_tried_again_at_the_end(
    db: Database, people: Service
) -> None:
    teller = Teller()
    people.status = 500
    teller.note(SUSPENDED, KEY)
    teller.start()
    await asyncio.wait_for(teller._task, 60)  # type: ignore[arg-type]
    assert len(people.received) == 1
    people.status = 200
    await teller.finish()
    assert len(people.received) == 2
    assert "more of the same" not in people.received[-1][1]["message"]
    await teller.finish()
    assert len(people.received) == 2


async def test_the_end_waits_for_what_is_under_way(db: Database, people: Service) -> None:
    teller = Teller()
    people.answering.clear()
    teller.note(SUSPENDED, KEY)
    teller.start()
    end = asyncio.create_task(teller.finish(60))
    assert await asyncio.to_thread(people.came.wait, 60)
    teller.note(SUSPENDED, OTHER_KEY)
    assert not end.done()
    people.answering.set()
    await end
    assert len(people.received) == 2


async def test_a_service_that_never_answers_holds_up_no_process(
    db: Database, people: Service, caplog: pytest.LogCaptureFixture
) -> None:
    people.answering.clear()
    teller = Teller()
    teller.note(SUSPENDED, KEY)
    async with asyncio.timeout(30):
        await teller.finish(0.2)
    assert "people were not told of everything" in caplog.text
    assert people.url() not in caplog.text


# ── what is emitted ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_event_is_told_once_its_transaction_is_committed(db: Database, people: Service) -> None:
    async with db.transaction():
        await events.emit(SUSPENDED, **KEY)
    await dispatcher.teller.finish()
    assert len(people.received) == 1


async def test_an_event_that_was_rolled_back_is_not_told(db: Database, people: Service) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await events.emit(SUSPENDED, **KEY)
            raise ZeroDivisionError
    async with db.transaction():
        await events.emit(SUSPENDED, **OTHER_KEY)
        with contextlib.suppress(ZeroDivisionError):
            async with db.transaction():
                await events.emit(SUSPENDED, **KEY)
                raise ZeroDivisionError
    await dispatcher.teller.finish()
    assert people.titles == ["key ffffffffffff is suspended: API_KEY_INVALID"]
    assert len(await db.fetch("SELECT FROM events")) == 1


async def test_a_message_names_the_process_that_tells(db: Database, people: Service) -> None:
    await events.Run("hunter", "3/4").begin()
    await events.emit(SUSPENDED, **KEY)
    await dispatcher.teller.finish()
    assert people.received[0][1]["message"].endswith("Told by maia hunter 3/4.")


async def test_without_notify_urls_nothing_is_kept(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    teller = Teller()
    teller.note(SUSPENDED, KEY)
    assert not teller._pending
    await teller.finish()
    assert not await db.fetch("SELECT FROM notifications")


async def test_more_than_can_be_kept_are_counted(
    db: Database, people: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "_MOST_NOTES", 3)
    await told(*({"video_id": f"v{n}", "views_per_hour": 5.0, "views": 9} for n in range(10)), event=EventType.BREAKOUT)
    ((_, body),) = people.received
    assert body["title"] == "10 events: breakout"
    assert body["message"].endswith("And 7 more.")


async def test_telling_never_fails_the_one_who_emits(people: Service, caplog: pytest.LogCaptureFixture) -> None:
    Teller().note(SUSPENDED, {"no": "such payload"})()
    assert caplog.messages == ["people cannot be told of key_suspended: KeyError"]


async def test_a_wrong_setting_elsewhere_does_not_silence(
    db: Database, people: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_LEVEL", "loud")
    monkeypatch.setenv("NOTIFY_INTERVAL_MINUTES", "often")
    settings.reload()
    await told(KEY)
    await told(KEY)
    await told({"agent": "hunter", "reason": "too fast"}, event=EventType.CHURN)
    assert len(people.received) == 1


# ── without a database ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def lost(dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """DATABASE_URL leads to a server that does not answer."""
    async with wire_to(dsn) as wire:
        await wire.cut()
        monkeypatch.setenv("DATABASE_URL", wire.dsn())
        settings.reload()
        yield


async def test_a_process_without_a_database_goes_by_its_own_memory(
    lost: None, people: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dispatcher, "_CLAIM_SECONDS", 0.2)
    teller = Teller(Database())
    for _ in range(2):
        teller.note(SUSPENDED, KEY)
        await teller.finish()
    assert len(people.received) == 1
    assert "people are told without asking the database who has told" in caplog.text
    await told(KEY, store=Database())
    assert len(people.received) == 2, "another process has another memory"


async def test_a_database_that_is_known_to_be_lost_is_not_asked(
    lost: None, people: Service, caplog: pytest.LogCaptureFixture
) -> None:
    teller = Teller(Database())
    teller.note(SUSPENDED, KEY)
    await teller.finish(shared=False)
    assert len(people.received) == 1
    assert caplog.records == []


async def test_a_closed_database_is_opened_for_it_and_closed_again(dsn: str, people: Service) -> None:
    store = Database()
    with settings.override(database_url=dsn):
        await told(KEY, store=store)
        await told(KEY, store=store)
    assert store._pool is None
    assert len(people.received) == 1


async def test_a_loop_that_is_gone_took_its_messages_with_it(
    db: Database, people: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    teller = Teller(Database())

    async def begin() -> None:
        teller.note(SUSPENDED, KEY)
        teller.start()

    thread = threading.Thread(target=lambda: asyncio.run(begin()))
    thread.start()
    await asyncio.to_thread(thread.join)
    await asyncio.wait_for(teller.finish(), 60)
    assert caplog.records == []
