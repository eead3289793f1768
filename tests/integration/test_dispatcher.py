"""The dispatcher on a real database and a real HTTP server: many shards that meet the same thing send one message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from apprise.plugins.telegram import NotifyTelegram
from pydantic import SecretStr

from atlas import events, notifier
from atlas.config import settings
from atlas.database import Database
from atlas.event_types import EventType
from atlas.events import run_finished
from atlas.notifier import dispatcher
from atlas.notifier.dispatcher import Dispatcher

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
    """A service that NOTIFY_URLS names, and a process that has sent no notification yet."""
    monkeypatch.setattr(notifier, "_logged", set())
    monkeypatch.setattr(dispatcher, "default", Dispatcher())
    with service() as state:
        monkeypatch.setenv("NOTIFY_URLS", state.url())
        settings.reload()
        yield state


async def notify(*payloads: dict[str, Any], store: Database | None = None, event: EventType = SUSPENDED) -> None:
    """A process of its own that meets these, and ends."""
    own = Dispatcher(store)
    for payload in payloads:
        own.notify(event, payload)
    await own.finish()


async def interval_passes(db: Database) -> None:
    await db.fetch("UPDATE notifications SET told_at = told_at - interval '60 minutes'")


async def test_200_processes_that_meet_the_same_thing_send_one_message(db: Database, dsn: str, people: Service) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(Database().session()) for _ in range(5)]  # 20 connections at most
        dispatchers = [Dispatcher(stores[number % len(stores)]) for number in range(200)]
        for number, own in enumerate(dispatchers):
            own.notify(SUSPENDED, KEY, sender=f"maia hunter {number}/200")
        await asyncio.gather(*(own.finish(60) for own in dispatchers))
        assert people.titles == ["key a1b2c3d4e5f6 is suspended: API_KEY_INVALID"]
        (row,) = await db.fetch("SELECT type, subject, told, suppressed FROM notifications")
        assert tuple(row) == ("key_suspended", "a1b2c3d4e5f6", 1, 199)

        people.received.clear()
        await interval_passes(db)
        for own in dispatchers:
            own.notify(SUSPENDED, KEY)
        await asyncio.gather(*(own.finish(60) for own in dispatchers))
    ((_, body),) = people.received
    # what was held back before it, and what others counted before it in this round
    (row,) = await db.fetch("SELECT told, suppressed FROM notifications")
    assert row["told"] + row["suppressed"] == 199 + 200
    assert row["told"] >= 200
    assert f"(and {row['told'] - 1} more of the same since the last message)" in body["message"]


async def test_things_of_one_type_share_a_message(db: Database, people: Service) -> None:
    await notify(KEY)
    await notify(KEY, OTHER_KEY, OTHER_KEY)
    await notify(run_finished("hunter", "0/2", "failure", 1, "it broke"), event=EventType.RUN_FINISHED)
    await notify(run_finished("hunter", "1/2", "failure", 1, "it broke"), event=EventType.RUN_FINISHED)
    await notify(run_finished("tracker", "0/2", "failure", 1, "it broke"), event=EventType.RUN_FINISHED)
    await notify(run_finished("hunter", "0/2", "config", 78, "no key"), event=EventType.RUN_FINISHED)
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
    await notify(KEY, OTHER_KEY)
    assert people.titles == ["2 events: key suspended"]
    assert people.received[0][1]["message"].count("is suspended") == 2


@pytest.mark.parametrize(("level", "number"), [("info", 3), ("warning", 2), ("error", 1)])
async def test_events_below_the_level_are_not_sent(db: Database, people: Service, level: str, number: int) -> None:
    with settings.override(notify_level=level):
        await notify({"agent": "hunter", "reason": "too fast"}, event=EventType.CHURN)
        await notify({"failed": 2, "error": None}, event=EventType.ARCHIVE_FAILED)
        await notify(KEY)
    assert len(people.received) == number
    assert len(await db.fetch("SELECT FROM notifications")) == number


async def test_events_that_no_entry_takes_are_neither_sent_nor_claimed(db: Database, people: Service) -> None:
    with settings.override(notify_urls=SecretStr(f"breakout={people.url()}")):
        await notify(KEY)
        assert not await db.fetch("SELECT FROM notifications")
        await notify({"video_id": "v1", "views_per_hour": 5.0, "views": 9}, event=EventType.BREAKOUT)
    assert people.titles == ["video v1 gains 5 views an hour"]


async def test_without_an_interval_each_event_is_sent(db: Database, people: Service) -> None:
    with settings.override(notify_interval_minutes=0):
        await notify(KEY)
        await notify(KEY)
    assert len(people.received) == 2


async def test_the_next_process_sends_what_no_service_took(db: Database, people: Service) -> None:
    people.status = 500
    await notify(KEY)
    await notify(KEY)
    assert len(people.received) == 2, "each tried"
    people.status = 200
    await notify(KEY)
    assert "(and 2 more of the same since the last message)" in people.received[-1][1]["message"]
    await notify(KEY)
    assert len(people.received) == 3


async def test_a_message_that_one_of_two_chats_refuses_is_not_sent_again_to_the_other(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chat_services() as chats:
        monkeypatch.setattr(notifier, "_logged", set())
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://127.0.0.1:{chats.port}/telegram")
        with settings.override(notify_urls=SecretStr("tgram://123456789:AbCdEfGhIjKlMnOpQrStUvWxYz/77777/666")):
            await notify(KEY)
            await notify(KEY)
    assert len(chats.shown["telegram"]) == 1
    (row,) = await db.fetch("SELECT told, suppressed FROM notifications")
    assert tuple(row) == (1, 1)


async def test_a_message_that_failed_beside_the_work_is_sent_again_at_the_end(db: Database, people: Service) -> None:
    own = Dispatcher()
    people.status = 500
    own.notify(SUSPENDED, KEY)
    own.start()
    await asyncio.wait_for(own._task, 60)  # type: ignore[arg-type]
    assert len(people.received) == 1
    people.status = 200
    await own.finish()
    assert len(people.received) == 2
    assert "more of the same" not in people.received[-1][1]["message"]
    await own.finish()
    assert len(people.received) == 2


async def test_the_end_waits_for_what_is_under_way(db: Database, people: Service) -> None:
    own = Dispatcher()
    people.answering.clear()
    own.notify(SUSPENDED, KEY)
    own.start()
    end = asyncio.create_task(own.finish(60))
    assert await asyncio.to_thread(people.came.wait, 60)
    own.notify(SUSPENDED, OTHER_KEY)
    assert not end.done()
    people.answering.set()
    await end
    assert len(people.received) == 2


async def test_a_service_that_never_answers_holds_up_no_process(
    db: Database, people: Service, caplog: pytest.LogCaptureFixture
) -> None:
    people.answering.clear()
    own = Dispatcher()
    own.notify(SUSPENDED, KEY)
    async with asyncio.timeout(30):
        await own.finish(0.2)
    assert "some notifications were not sent in time" in caplog.text
    assert people.url() not in caplog.text


# ── what is emitted ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_event_is_sent_once_its_transaction_is_committed(db: Database, people: Service) -> None:
    async with db.transaction():
        await events.emit(SUSPENDED, **KEY)
    await dispatcher.default.finish()
    assert len(people.received) == 1


async def test_an_event_that_was_rolled_back_is_not_sent(db: Database, people: Service) -> None:
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
    await dispatcher.default.finish()
    assert people.titles == ["key ffffffffffff is suspended: API_KEY_INVALID"]
    assert len(await db.fetch("SELECT FROM events")) == 1


async def test_a_message_names_its_sender(db: Database, people: Service) -> None:
    await events.Run("hunter", "3/4").begin()
    await events.emit(SUSPENDED, **KEY)
    await dispatcher.default.finish()
    assert people.received[0][1]["message"].endswith("Sent by maia hunter 3/4.")


async def test_without_notify_urls_nothing_is_kept(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Dispatcher()
    own.notify(SUSPENDED, KEY)
    assert not own._pending
    await own.finish()
    assert not await db.fetch("SELECT FROM notifications")


async def test_more_than_can_be_kept_are_counted(
    db: Database, people: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "_MOST_PENDING", 3)
    await notify(
        *({"video_id": f"v{n}", "views_per_hour": 5.0, "views": 9} for n in range(10)), event=EventType.BREAKOUT
    )
    ((_, body),) = people.received
    assert body["title"] == "10 events: breakout"
    assert body["message"].endswith("And 7 more.")


async def test_a_notification_never_fails_the_caller(people: Service, caplog: pytest.LogCaptureFixture) -> None:
    Dispatcher().notify(SUSPENDED, {"no": "such payload"})()
    assert caplog.messages == ["cannot prepare a notification for key_suspended: KeyError"]


async def test_a_wrong_setting_elsewhere_does_not_silence(
    db: Database, people: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_LEVEL", "loud")
    monkeypatch.setenv("NOTIFY_INTERVAL_MINUTES", "often")
    settings.reload()
    await notify(KEY)
    await notify(KEY)
    await notify({"agent": "hunter", "reason": "too fast"}, event=EventType.CHURN)
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


async def test_without_a_database_a_process_limits_its_own_messages(
    lost: None, people: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dispatcher, "_DATABASE_SECONDS", 0.2)
    own = Dispatcher(Database())
    for _ in range(2):
        own.notify(SUSPENDED, KEY)
        await own.finish()
    assert len(people.received) == 1
    assert "cannot ask the database which process notifies, so this one does" in caplog.text
    await notify(KEY, store=Database())
    assert len(people.received) == 2, "another process has another memory"


async def test_a_database_that_is_known_to_be_lost_is_not_asked(
    lost: None, people: Service, caplog: pytest.LogCaptureFixture
) -> None:
    own = Dispatcher(Database())
    own.notify(SUSPENDED, KEY)
    await own.finish(shared=False)
    assert len(people.received) == 1
    assert caplog.records == []


async def test_a_closed_database_is_opened_for_it_and_closed_again(dsn: str, people: Service) -> None:
    store = Database()
    with settings.override(database_url=dsn):
        await notify(KEY, store=store)
        await notify(KEY, store=store)
    assert store._pool is None
    assert len(people.received) == 1
