"""Notifications of runs of the agents, and their events."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database, database
from atlas.db import retries
from atlas.notifier import dispatcher
from atlas.notifier.dispatcher import Dispatcher
from maia.tracker import run_tracker_cycle
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children, Ended
from ...support.agents import HUNTING, Timeline, discover, fetch, pool, run_here
from ...support.fake_webhook import Service, service
from ...support.tcp_proxy import Wire

pytestmark = [
    pytest.mark.integration,
    # Apprise's mail service imports imghdr, which Python 3.11 calls deprecated
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]

IMPATIENT = (
    sys.executable,
    "-c",
    # the same program, with less patience for a service that does not answer than users have
    "import atlas.notifier.dispatcher as d; d.NOTIFY_SECONDS = 0.5; from maia.cli import main; main()",
)


@pytest.fixture
def people(api: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service that NOTIFY_URLS names, to this process and its children."""
    monkeypatch.setattr(dispatcher, "default", Dispatcher())
    with service() as state:
        monkeypatch.setenv("NOTIFY_URLS", state.url("secretPath"))
        settings.reload()
        yield state


async def shards(children: Children, number: int, **options: object) -> list[Ended]:
    """Hunters, at once."""
    ended = await asyncio.gather(
        *(children.run("hunter", "--shard", f"{n}/{number}", **options) for n in range(number))
    )  # fmt: skip
    for each in ended:
        assert "secretPath" not in each.output
        assert "Traceback" not in each.stderr
    return list(ended)


async def events(db: Database) -> Counter[str]:
    return Counter(row["type"] for row in await fetch(db, "SELECT type FROM events"))


async def test_shards_that_meet_the_same_wrong_keys_notify_people_once(
    db: Database, children: Children, people: Service
) -> None:
    await QueueDAO().add([f"python {n}" for n in range(30)])
    wrong = pool(("wrong-hunting-1", "wrong-hunting-2"))
    for ended in await shards(children, 2, YOUTUBE_API_KEY_POOL_JSON=wrong):
        assert ended.code == 78
    lines = [line for _, body in people.received for line in f"{body['title']}\n{body['message']}".splitlines()]
    assert sum("is suspended: " in line for line in lines) == 2, "one for each key"
    (finished,) = [title for title in people.titles if title.startswith("maia hunter")]
    assert finished.endswith(": config (78)")
    assert await events(db) == {"run_started": 2, "run_finished": 2, "key_suspended": 2}
    met: Counter[str] = Counter()
    for row in await fetch(db, "SELECT type, notified + suppressed AS met FROM notifications"):
        met[row["type"]] += int(row["met"])
    assert met == {"key_suspended": 2, "run_finished": 2}


async def test_people_are_notified_of_a_run_that_ends_before_its_row_within_the_same_limit(
    db: Database, children: Children, people: Service
) -> None:
    for ended in await shards(children, 2, YOUTUBE_API_KEY_POOL_JSON=None):
        assert ended.code == 78
    ((_, body),) = people.received
    assert body["title"].endswith(": config (78)")
    assert "Empty KeyRing" in body["message"]
    assert not await events(db)


@pytest.mark.parametrize("when", ["before the run", "in mid-run"])
async def test_people_are_notified_of_a_database_that_is_lost(
    db: Database, api: RunningSandbox, wire: Wire, people: Service, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr(retries, "SECONDS", 0.3)
    monkeypatch.setattr(retries, "START_SECONDS", 0.3)
    await QueueDAO().add(["python", "guitar", "cooking"])
    api.faults.set(["slow:search:after=1:seconds=0.5"])
    await database.close()

    async def cut() -> None:
        if when == "in mid-run":
            await api.log.wait_for(lambda log: bool(log.calls("search")))
        await wire.cut()

    if when == "before the run":
        await cut()
        cutting = None
    else:
        cutting = asyncio.create_task(cut())
    ended, _ = await run_here("hunter", database_url=wire.dsn(password="S3cret"))
    if cutting is not None:
        await cutting
    assert ended.exit_code == 69, ended
    assert people.titles == ["maia hunter 0/1: unavailable (69)"]
    assert all("S3cret" not in body["message"] for _, body in people.received)


async def test_people_are_notified_of_a_run_in_which_everything_failed(
    db: Database, api: RunningSandbox, people: Service
) -> None:
    await QueueDAO().add(["python"])
    api.faults.add("backend-error")
    assert (await run_here("hunter"))[0].exit_code == 1
    ((_, body),) = people.received
    assert (body["title"], body["type"]) == ("maia hunter 0/1: failure (1)", "failure")
    assert "1 of 1 searches failed: 500 backendError (1)" in body["message"]


async def test_people_are_notified_of_good_runs_only_if_they_want_it(db: Database, people: Service) -> None:
    await QueueDAO().add(["python"])
    assert (await run_here("hunter"))[0].exit_code == 0
    assert people.titles == []
    assert await events(db) == {"run_started": 1, "run_finished": 1}
    assert (await run_here("tracker", notify_level="info"))[0].exit_code == 0
    assert set(people.titles) == {"maia tracker 0/1 started", "maia tracker 0/1: idle (0)"}


async def test_a_churn_is_an_event_of_its_run(db: Database, api: RunningSandbox, people: Service) -> None:
    await QueueDAO().add(["python"])
    api.faults.add("rate-limit:search")
    assert (await run_here("hunter"))[0].exit_code == 75
    rows = await fetch(db, "SELECT type, run, payload FROM events ORDER BY id")
    assert [row["type"] for row in rows] == ["run_started", "churn", "run_finished"]
    assert len({row["run"] for row in rows}) == 1
    assert rows[2]["payload"]["outcome"] == "churn"
    assert people.titles == []


async def test_a_signal_ends_a_process_whose_service_does_not_answer(
    db: Database, api: RunningSandbox, children: Children, people: Service
) -> None:
    await QueueDAO().add(["python"])
    people.answering.clear()
    # people are being notified of the first cycle's suspension beside the second cycle
    wrong_first = pool(("wrong-hunting", HUNTING[0]))
    api.faults.add("slow:search:after=2:seconds=1")
    child = await children.start(
        "hunter", "--cycles", "2", command=IMPATIENT, YOUTUBE_API_KEY_POOL_JSON=wrong_first
    )  # fmt: skip
    assert await asyncio.to_thread(people.came.wait, 60)
    child.process.send_signal(signal.SIGTERM)
    ended = await child.end()
    assert ended.code in {0, 143}, ended.stderr
    assert ended.result is not None
    assert await events(db) == {"run_started": 1, "run_finished": 1, "key_suspended": 1}


async def test_a_cycle_notifies_of_its_breakouts_once(
    db: Database, api: RunningSandbox, timeline: Timeline, people: Service
) -> None:
    await discover(db, api, timeline, "python")
    assert (await run_tracker_cycle(50))["breakouts"] == 0
    assert not await events(db)
    assert people.titles == []
    timeline.advance(days=1)
    await db.fetch("UPDATE videos SET due_at = $1", timeline.at)
    await db.fetch("UPDATE video_stats_log SET views = 0")
    with settings.override(breakout_views_per_hour=1):
        stats = await run_tracker_cycle(50)
    assert 0 < stats["breakouts"] <= stats["updated"]
    assert await events(db) == {"breakout": stats["breakouts"]}
    payloads = [row["payload"] for row in await fetch(db, "SELECT payload FROM events")]
    keys = {"video_id", "score", "views", "views_per_hour", "usual_per_hour"}
    assert all(set(payload) == keys for payload in payloads)
    (title,) = people.titles
    assert title == f"{stats['breakouts']} events: breakout"
