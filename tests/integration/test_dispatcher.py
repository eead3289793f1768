"""The dispatcher on a real database and a real HTTP server: many shards that meet the same thing send one message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC
from typing import Any

import pytest
from apprise.plugins.telegram import NotifyTelegram
from pydantic import SecretStr

from atlas import events, notifier
from atlas.clock import clock
from atlas.config import settings
from atlas.database import Database
from atlas.event_types import EventType, Level
from atlas.events import run_finished
from atlas.notifier import dispatcher
from atlas.notifier.dispatcher import Dispatcher
from atlas.notifier.messages import Message

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
CHURN = {"agent": "hunter", "reason": "too fast"}


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
    """Meet these in a process of its own, and end it."""
    own = Dispatcher(store)
    for payload in payloads:
        own.notify(event, payload)
    await own.finish()


async def counts(db: Database) -> tuple[int, int]:
    """Return how many events the one row counts as notified and as suppressed."""
    (row,) = await db.fetch("SELECT notified, suppressed FROM notifications")
    return row[0], row[1]


async def interval_passes(db: Database) -> None:
    await db.fetch("UPDATE notifications SET notified_at = notified_at - interval '60 minutes'")


async def test_200_processes_that_meet_the_same_thing_send_one_message(db: Database, dsn: str, people: Service) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(Database().session()) for _ in range(5)]  # 20 connections at most
        dispatchers = [Dispatcher(stores[number % len(stores)]) for number in range(200)]

        async def meet() -> None:
            for number, own in enumerate(dispatchers):
                own.notify(SUSPENDED, KEY, sender=f"maia hunter {number}/200")
            await asyncio.gather(*(own.finish(60) for own in dispatchers))

        await meet()
        assert people.titles == ["key a1b2c3d4e5f6 is suspended: API_KEY_INVALID"]
        assert await counts(db) == (1, 199)
        people.received.clear()
        await interval_passes(db)
        await meet()
    ((_, body),) = people.received
    # those suppressed before it, and those that others counted before it in this round
    sent, suppressed = await counts(db)
    assert sent + suppressed == 199 + 200
    assert sent >= 200
    assert f"(and {sent - 1} more of the same since the last message)" in body["message"]


async def test_things_of_one_type_share_a_message(db: Database, people: Service) -> None:
    await notify(KEY)
    await notify(KEY, OTHER_KEY, OTHER_KEY)
    for agent, shard, outcome, code in (
        ("hunter", "0/2", "failure", 1), ("hunter", "1/2", "failure", 1), ("tracker", "0/2", "failure", 1),
        ("hunter", "0/2", "config", 78),
    ):  # fmt: skip
        await notify(run_finished(agent, shard, outcome, code, "it broke"), event=EventType.RUN_FINISHED)
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
        await notify(CHURN, event=EventType.CHURN)
        await notify({"failed": 2, "error": None}, event=EventType.ARCHIVE_FAILED)
        await notify(KEY)
    assert len(people.received) == len(await db.fetch("SELECT FROM notifications WHERE type <> 'limit'")) == number


async def test_events_that_no_entry_takes_are_neither_sent_nor_claimed(db: Database, people: Service) -> None:
    with settings.override(notify_urls=SecretStr(f"breakout={people.url()}")):
        await notify(KEY)
        assert not await db.fetch("SELECT FROM notifications")
        await notify({"video_id": "v1", "views_per_hour": 5.0, "views": 9}, event=EventType.BREAKOUT)
    assert people.titles == ["video v1 gains 5 views an hour"]


@pytest.mark.parametrize(
    ("environment", "number"),
    [
        ({"NOTIFY_INTERVAL_MINUTES": "0"}, 2),
        # wrong settings: the process itself ends with them, and their defaults serve for this
        ({"NOTIFY_LEVEL": "loud", "NOTIFY_INTERVAL_MINUTES": "often"}, 1),
        ({"NOTIFY_URLS": ""}, 0),
    ],
    ids=["no interval", "wrong settings", "no service"],
)
async def test_the_settings_decide_how_often_people_are_notified(
    db: Database, people: Service, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], number: int
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings.reload()
    await notify(KEY)
    await notify(KEY)
    await notify(CHURN, event=EventType.CHURN)
    assert len(people.received) == number
    assert bool(await db.fetch("SELECT FROM notifications")) == ("NOTIFY_LEVEL" in environment)


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
    monkeypatch.setattr(notifier, "_logged", set())
    with chat_services() as chats:
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://127.0.0.1:{chats.port}/telegram")
        with settings.override(notify_urls=SecretStr("tgram://123456789:AbCdEfGhIjKlMnOpQrStUvWxYz/77777/666")):
            await notify(KEY)
            await notify(KEY)
    assert len(chats.shown["telegram"]) == 1
    assert await counts(db) == (1, 1)


async def test_a_message_that_failed_beside_the_work_is_sent_again_at_the_end(db: Database, people: Service) -> None:
    own = Dispatcher()
    people.status = 500
    own.notify(SUSPENDED, KEY)
    own.start()
    await asyncio.wait_for(own._task, 60)  # type: ignore[arg-type]
    assert len(people.received) == 1
    people.status = 200
    for _ in range(2):
        await own.finish()
        assert len(people.received) == 2
    assert "more of the same" not in people.received[-1][1]["message"]


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


async def test_a_service_that_never_answers_delays_no_process(
    db: Database, people: Service, caplog: pytest.LogCaptureFixture
) -> None:
    people.answering.clear()
    own = Dispatcher()
    own.notify(SUSPENDED, KEY)
    async with asyncio.timeout(30):
        await own.finish(0.2)
    assert "some notifications were dropped: not sent within" in caplog.text
    assert people.url() not in caplog.text


async def test_an_emitted_event_is_sent_once_its_transaction_is_committed(db: Database, people: Service) -> None:
    await events.Run("hunter", "3/4").begin()
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
    assert people.received[0][1]["message"].endswith("Sent by maia hunter 3/4.")
    assert len(await db.fetch("SELECT FROM events WHERE type = 'key_suspended'")) == 1


async def test_more_than_a_process_keeps_are_counted(
    db: Database, people: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "_MOST_PENDING", 3)
    videos = ({"video_id": f"v{n}", "views_per_hour": 5.0, "views": 9} for n in range(10))
    await notify(*videos, event=EventType.BREAKOUT)
    ((_, body),) = people.received
    assert body["title"] == "10 events: breakout"
    assert body["message"].endswith("And 7 more.")


async def test_a_notification_never_fails_the_caller(people: Service, caplog: pytest.LogCaptureFixture) -> None:
    Dispatcher().notify(SUSPENDED, {"no": "such payload"})()
    assert caplog.messages == ["cannot prepare a notification for key_suspended: KeyError"]


@pytest.fixture
async def lost(dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """DATABASE_URL leads to a server that does not answer."""
    monkeypatch.setattr(dispatcher, "_DATABASE_SECONDS", 0.2)
    async with wire_to(dsn) as wire:
        await wire.cut()
        monkeypatch.setenv("DATABASE_URL", wire.dsn())
        settings.reload()
        yield


async def test_without_a_database_a_process_limits_its_own_messages(
    lost: None, people: Service, caplog: pytest.LogCaptureFixture
) -> None:
    own = Dispatcher(Database())
    for shared in (False, True, True):
        own.notify(SUSPENDED, KEY)
        await own.finish(shared=shared)
        asked = "cannot ask the database which process notifies, so this one does" in caplog.text
        assert asked == shared, "a database that is known to be lost is not asked"
    assert len(people.received) == 1
    await notify(KEY, store=Database())
    assert len(people.received) == 2, "another process has another memory"


async def test_a_closed_database_is_opened_for_it_and_closed_again(dsn: str, people: Service) -> None:
    store = Database()
    with settings.override(database_url=dsn):
        await notify(KEY, store=store)
        await notify(KEY, store=store)
    assert store._pool is None
    assert len(people.received) == 1


ARCHIVE = {"failed": 2, "error": None}
"""The payload of a warning."""


async def meet(db: Database, number: int = 1, **payload: Any) -> None:
    """Emit warnings in a run of their own, and end it."""
    dispatcher.default = Dispatcher(db)
    for _ in range(number):
        await events.emit(EventType.ARCHIVE_FAILED, store=db, **(ARCHIVE | payload))
    await dispatcher.default.finish()


async def meet_breakout(db: Database) -> None:
    """Emit a breakout in a run of its own, and end it."""
    dispatcher.default = Dispatcher(db)
    figures = {"score": 9.0, "views": 1, "views_per_hour": 1.0, "usual_per_hour": 1.0}
    await events.emit(EventType.BREAKOUT, store=db, video_id="v", **figures)
    await dispatcher.default.finish()


def quiet(*, now: bool) -> str:
    """Return hours that contain this moment, or end before it."""
    hour = clock.real().astimezone(UTC).hour
    return f"{hour:02}:00-{(hour + 2) % 24:02}:00" if now else f"{(hour + 3) % 24:02}:00-{(hour + 4) % 24:02}:00"


async def test_in_quiet_hours_only_errors_are_sent_and_the_rest_follows_in_one_message(
    db: Database, people: Service
) -> None:
    with settings.override(notify_quiet_hours=quiet(now=True), notify_interval_minutes=0):
        await meet(db, 2)
        await meet(db, failed=5)
        await notify(KEY, store=db)
        assert people.titles == ["key a1b2c3d4e5f6 is suspended: API_KEY_INVALID"]
    people.received.clear()
    with settings.override(notify_quiet_hours=quiet(now=False), notify_interval_minutes=0):
        await asyncio.gather(*(Dispatcher(db).finish() for _ in range(5)))  # runs that have nothing of their own
        ((_, body),) = people.received
        assert body["title"] == "5 record(s) are not archived yet", "the latest"
        assert "and 2 more of the same" in body["message"]
        assert "Held back by the quiet hours" in body["message"]
        await meet(db)
    assert len(people.received) == 2, "nothing is held any more"


async def test_beyond_the_limit_of_an_hour_events_wait_and_nothing_is_sent_twice(db: Database, people: Service) -> None:
    with settings.override(notify_max_per_hour=2, notify_interval_minutes=0):
        for number in range(5):
            await meet(db, failed=number)
        assert [title[0] for title in people.titles] == ["0", "1"]
        await notify(KEY, store=db)
        assert len(people.received) == 3, "an error is always sent"
        await db.fetch("UPDATE notifications SET notified_at = notified_at - interval '1 hour' WHERE type = 'limit'")
        people.received.clear()
        await meet(db, failed=9)
        ((_, body),) = people.received
    assert body["title"].startswith("9 record(s)")
    assert "and 3 more of the same" in body["message"], "2, 3 and 4"


async def test_what_no_service_accepts_stays_held(db: Database, people: Service) -> None:
    with settings.override(notify_quiet_hours=quiet(now=True)):
        await meet(db)
    people.status = 500
    await Dispatcher(db).finish()
    people.received.clear()
    people.status = 200
    await Dispatcher(db).finish()
    assert people.titles == ["2 record(s) are not archived yet"]


async def test_of_held_types_each_is_sent_once_whatever_becomes_of_the_others(db: Database, people: Service) -> None:
    with settings.override(notify_quiet_hours=quiet(now=True)):
        await meet(db)
        await meet_breakout(db)
    sent = []
    with settings.override(notify_max_per_hour=1):
        for _ in range(3):
            await Dispatcher(db).finish()
            sent.append(len(people.received))
            await db.fetch(
                "UPDATE notifications SET notified_at = notified_at - interval '1 hour' WHERE type = 'limit'"
            )
    assert sent == [1, 2, 2], "one an hour, the longest held first"
    assert people.titles[0].startswith("2 record(s)")
    assert people.titles[1] != people.titles[0]


async def test_a_held_type_that_cannot_be_sent_does_not_stop_the_others(
    db: Database, people: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with settings.override(notify_quiet_hours=quiet(now=True)):
        await meet(db)
        await meet_breakout(db)
    send = notifier.send

    async def some(message: Message, level: Level, *, event: EventType | None = None) -> Any:
        if event is EventType.ARCHIVE_FAILED:
            if settings.notify_max_per_hour == 1:
                return []  # its service is down
            raise ValueError("it cannot be written")
        return await send(message, level, event=event)

    with monkeypatch.context() as patch, settings.override(notify_max_per_hour=1):
        patch.setattr("atlas.notifier.dispatcher.notifier.send", some)
        await Dispatcher(db).finish()
    assert len(people.received) == 1, "the other type"
    with monkeypatch.context() as patch:
        patch.setattr("atlas.notifier.dispatcher.notifier.send", some)
        await Dispatcher(db).finish()
    assert len(people.received) == 1
    with settings.override(notify_max_per_hour=9):
        await Dispatcher(db).finish()
    assert people.titles[1] == "2 record(s) are not archived yet"


async def test_what_is_cut_off_while_it_is_sent_is_held_again(
    db: Database, people: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with settings.override(notify_quiet_hours=quiet(now=True)):
        await meet(db)
    sending = asyncio.Event()

    async def hang(*_: Any, **__: Any) -> list[Any]:
        sending.set()
        await asyncio.Event().wait()
        return []

    with monkeypatch.context() as patch:
        patch.setattr("atlas.notifier.dispatcher.notifier.send", hang)
        await Dispatcher(db).finish(1.0)
        assert sending.is_set()
    assert not people.received
    await Dispatcher(db).finish()
    assert people.titles == ["2 record(s) are not archived yet"]
