"""The daily digest, and the message about a breakout: on a real database and a real HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, timedelta

import pytest

from atlas import digest, events, notifier
from atlas.clock import clock
from atlas.config import settings
from atlas.database import Database
from atlas.event_types import EventType
from atlas.notifier import dispatcher
from atlas.notifier.dispatcher import Dispatcher
from atlas.notifier.messages import Message
from atlas.rising import describe_breakouts

from ..support.fake_webhook import Service, service

pytestmark = [
    pytest.mark.integration,
    # Apprise's mail service imports imghdr, which Python 3.11 calls deprecated
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]

HOSTILE = "<b>Cats</b> @everyone\u202e https://evil.example" + "x" * 5_000


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(notifier, "_logged", set())
    monkeypatch.setattr(dispatcher, "default", Dispatcher())
    monkeypatch.setitem(dispatcher.describers, EventType.BREAKOUT, describe_breakouts)
    with service() as state:
        monkeypatch.setenv("NOTIFY_URLS", state.url())
        settings.reload()
        yield state


async def store_riser(db: Database, title: str = "Cats") -> None:
    now = clock.now()
    await db.fetch(
        "INSERT INTO channels (id, title, first_seen_at, updated_at) VALUES ('c1', 'The cat channel', now(), now())"
    )
    await db.fetch(
        "INSERT INTO videos (id, channel_id, title, published_at, first_seen_at, zone, due_at)"
        " VALUES ('v1', 'c1', $1, $2, $2, 1, now())",
        title, now - timedelta(hours=3),
    )  # fmt: skip
    await db.fetch(
        "INSERT INTO video_growth (video_id, observed_at, kind, views, views_per_hour, usual_per_hour, score,"
        " views_24h_low, views_24h, views_24h_high) VALUES ('v1', $1, 1, 12000, 9000, 300, 12.5, 50e3, 100e3, 200e3)",
        now,
    )
    for hour, views in enumerate((100, 3_000, 12_000)):
        await db.fetch("INSERT INTO video_stats_log VALUES ('v1', $1, $2)", now - timedelta(hours=2 - hour), views)


def due(*, passed: bool = True) -> str:
    """Return a time of the day that has just passed, or will soon come."""
    return f"{clock.real().astimezone(UTC) - timedelta(minutes=1 if passed else -2):%H:%M}"


async def test_a_breakout_is_described_by_what_the_database_knows(db: Database, people: Service) -> None:
    await store_riser(db, HOSTILE)
    found = {"video_id": "v1", "views_per_hour": 9000.0, "views": 12000}
    await events.emit(EventType.BREAKOUT, store=db, **found)
    await dispatcher.default.finish()
    ((_, body),) = people.received
    assert body["title"].startswith("breaking out: <b>Cats</b>")
    assert len(body["title"]) < 200
    assert "@everyone" not in body["title"]
    assert body["message"].splitlines() == [
        "12.0k views; 9.0k views/h, 30 times its usual, score 12.5",
        "▁█",
        "Expected views: 100k (50.0k to 200k) at 24 h",
        "https://www.youtube.com/watch?v=v1",
    ]


async def test_the_digest_is_sent_once_a_day_by_the_first_run(db: Database, people: Service) -> None:
    await store_riser(db)
    await db.fetch(
        "INSERT INTO runs (id, agent, started_at, outcome) SELECT gen_random_uuid(), 'tracker', now(), outcome"
        " FROM unnest(ARRAY['ok', 'ok', 'failure']) AS outcome"
    )
    with settings.override(notify_digest_at=due()):
        assert sum(await asyncio.gather(*(digest.send_digest(store=db) for _ in range(8)))) == 1
    ((_, body),) = people.received
    for text in ("Cats (The cat channel)", "9.0k views/h", "1 failure, 2 ok", "Zone 1, every 1h: 1 tracked, 1 due now",
                 "Calls today: search 0", "calculated by Maia"):  # fmt: skip
        assert text in body["message"]
    assert [row["type"] for row in await db.fetch("SELECT type FROM events")] == ["digest"]
    await db.fetch("UPDATE notifications SET notified_at = notified_at - interval '1 day'")
    with settings.override(notify_digest_at=due()):
        assert await digest.send_digest(store=db)


async def test_a_digest_that_no_service_accepts_stays_due(db: Database, people: Service) -> None:
    people.status = 500
    with settings.override(notify_digest_at=due()):
        assert not await digest.send_digest(store=db)
        people.status = 200
        assert await digest.send_digest(store=db)
        assert "No video has been read twice yet." in people.received[-1][1]["message"]


async def test_a_digest_that_cannot_be_written_stays_due(
    db: Database, people: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_: Database) -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def fail(_: Database) -> Message:
        raise ValueError

    with settings.override(notify_digest_at=due()):
        for failing in (fail, hang):
            with monkeypatch.context() as patch:
                patch.setattr(digest, "digest_message", failing)
                assert not await digest.send_digest(0.5, store=db)
        assert await digest.send_digest(store=db)
        assert not await digest.send_digest(store=db)
    assert len(people.received) == 1


@pytest.mark.parametrize("urls", ["breakout=json://127.0.0.1:1/", ""], ids=["no entry takes it", "no service"])
async def test_without_a_service_for_it_nothing_is_claimed(
    db: Database, monkeypatch: pytest.MonkeyPatch, urls: str
) -> None:
    monkeypatch.setenv("NOTIFY_URLS", urls)
    settings.reload()
    with settings.override(notify_digest_at=due()):
        assert not await digest.send_digest(store=db)
    assert not await db.fetch("SELECT FROM notifications")
