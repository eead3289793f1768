"""The Janitor's time: what it begins, what is cut off, and what it makes of failures."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from atlas.adapters.retention import Batch, RetentionDAO
from atlas.errors import DatabaseUnavailable, StatementFailed
from maia.agents import janitor_session
from maia.agents.janitor_session import JanitorSession
from maia.janitor import _outcome
from maia.runtime.shutdown import Shutdown


@pytest.fixture
def session() -> JanitorSession:
    return JanitorSession(RetentionDAO(), Shutdown())


async def batches(*found: Batch) -> AsyncGenerator[Batch]:
    for batch in found:
        yield batch


async def never() -> str:
    await asyncio.Event().wait()
    return "done"


async def done() -> str:
    return "done"


async def test_work_that_ends_in_time_gives_its_result(session: JanitorSession) -> None:
    for seconds in (None, 60.0):
        assert await session.cut_off(done, seconds) == "done"
    assert not session.cut_short


async def test_work_is_cut_off_when_its_time_is_up(session: JanitorSession) -> None:
    assert await session.cut_off(never, 0.01) is None
    assert session.cut_short
    assert not session.may_start()


async def test_work_is_cut_off_after_the_grace_of_a_signal(
    session: JanitorSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maia.runtime.shutdown.GRACE_SECONDS", 0.01)
    asyncio.get_running_loop().call_soon(session.shutdown.cancel, signal.SIGTERM)
    assert await session.cut_off(never, 60.0) is None
    assert not session.cut_short
    assert not session.may_start()


@pytest.mark.parametrize("error", [StatementFailed("no"), DatabaseUnavailable("gone"), TimeoutError("its own")])
async def test_what_work_raises_is_raised(session: JanitorSession, error: Exception) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(type(error), match=str(error)):
        await session.cut_off(fail, 60.0)


async def test_batches_are_added_up_and_a_refused_one_is_recorded(session: JanitorSession) -> None:
    refused = StatementFailed("the database refused a statement: no")
    await session.work_through(
        "videos",
        batches(Batch({"videos_deleted": 3}), Batch({}, refused), Batch({"videos_deleted": 2, "snapshots_deleted": 9})),
    )
    done = {name: number for name, number in session.counts.items() if number}
    assert done == {"videos_deleted": 5, "snapshots_deleted": 9, "failed": 1}
    assert session.failures == [f"videos: {refused}"]


async def test_no_batch_starts_after_a_shutdown_request(session: JanitorSession) -> None:
    begun = []

    async def endless() -> AsyncGenerator[Batch]:
        while True:
            begun.append(1)
            if len(begun) == 3:
                session.shutdown.cancel(signal.SIGTERM)
            yield Batch({"events_deleted": 1})

    await session.work_through("history", endless())
    assert session.counts["events_deleted"] == 3
    assert len(begun) == 3


async def test_long_work_says_how_far_it_is(
    session: JanitorSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(janitor_session, "_PROGRESS_SECONDS", 0.0)
    with caplog.at_level("INFO", logger="maia"):
        await session.work_through("videos", batches(Batch({"videos_deleted": 1_000}), Batch({"videos_deleted": 234})))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert said[0].startswith("videos, 0 s so far: videos_deleted 1,000")
    assert said[2].endswith(" s: videos_deleted 1,234")


def test_a_dry_run_never_says_that_it_deleted() -> None:
    said = janitor_session.describe_counts(dict.fromkeys(janitor_session.COUNTS, 2), dry_run=True)
    assert said.startswith("would delete 2 snapshots, 2 videos, 2 channels, ")
    assert not re.search("deleted|expired|dropped|made|blanked", said)
    assert janitor_session.describe_counts({"videos_deleted": 2, "failed": 0}) == "videos_deleted 2"


async def test_a_dry_runs_log_says_what_it_would_do(session: JanitorSession, caplog: pytest.LogCaptureFixture) -> None:
    session.dry_run = True
    with caplog.at_level("INFO", logger="maia"):
        await session.work_through("videos", batches(Batch({"videos_deleted": 1_000})))
    assert [record.getMessage().partition(" s: ")[2] for record in caplog.records] == ["would delete 1,000 videos"]


MADE = {"videos_deleted": 1, "records_expired": 1_234, "partitions_made": 2}


@pytest.mark.parametrize(
    ("failures", "cut_short", "counts", "dry_run", "outcome", "words"),
    [
        ("", False, {}, False, "idle", "nothing is older than it may be"),
        ("", False, {"videos_deleted": 1}, False, "ok", ""),
        ("", True, {}, False, "ok", "the next run goes on"),
        ("", False, {}, True, "ok", "a dry run: nothing was deleted; nothing is older than it may be"),
        ("", False, MADE, True, "ok", "it would make 2 partitions; delete 1 video, 1,234 archived records"),
        (
            "",
            True,
            {"videos_blanked": 3},
            True,
            "ok",
            "the metadata of 3 videos; the time was up before",
        ),
        ("videos: no", False, {"failed": 1}, False, "failure", "videos: no"),
        ("videos: no", True, {"failed": 1}, True, "failure", "videos: no"),
        ("videos: no, archive: gone, notes: no", False, {}, False, "failure", "videos: no; and 2 more"),
    ],
)
def test_the_outcome_says_whether_anything_is_left_undone(
    session: JanitorSession, failures: str, cut_short: bool, counts: dict[str, int], dry_run: bool, outcome: str,
    words: str,
) -> None:  # fmt: skip
    session.failures, session.cut_short = [each for each in failures.split(", ") if each], cut_short
    session.counts.update(counts)
    found: dict[str, Any] = _outcome(session, dry_run=dry_run)
    assert found["outcome"] == outcome
    reason = found.get("error") or found.get("reason", "")
    assert words in reason
    assert bool(words) == bool(reason)
