"""ReadingsWatch: how often what a Tracker reads is checked, and that no video is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from atlas import policy
from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.errors import DatabaseUnavailable, StatementFailed
from maia.agents.readings_watch import ReadingsWatch
from maia.runtime import shutdown as shutdowns
from maia.runtime.shutdown import Shutdown

from ..support.clock_settings import standing_at

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Checks(MaiaDAO):
    """Records what is checked; every video that is judged breaks out."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[tuple[list[str], datetime]] = []
        self.judged: list[tuple[list[str], datetime]] = []
        self.failure: Exception | None = None
        self.free = asyncio.Event()
        self.free.set()

    async def check_freeze(self, ids: Sequence[str], since: datetime) -> None:
        if self.failure is not None:
            raise self.failure
        self.made.append((list(ids), since))

    async def learn_growth(self) -> bool:
        await self.free.wait()
        return False

    async def judge_growth(self, ids: Sequence[str], since: datetime) -> list[str]:
        if self.failure is not None:
            raise self.failure
        self.judged.append((list(ids), since))
        return list(ids)


async def test_the_first_cycle_is_checked_and_later_ones_once_a_minute_together() -> None:
    watch = ReadingsWatch(dao := Checks())
    for second in range(0, 100, 10):
        at = NOON + timedelta(seconds=second)
        with settings.override(atlas_clock=standing_at(at)):
            await watch.add([f"v{second}"], at)
    minute = int(policy.READINGS_CHECK_INTERVAL.total_seconds())
    checks = [
        (["v0"], NOON),
        ([f"v{second}" for second in range(10, minute + 1, 10)], NOON + timedelta(seconds=10)),
        (["v70", "v80", "v90"], NOON + timedelta(seconds=70)),
    ]
    await watch.finish(Shutdown())
    assert dao.made == dao.judged == checks
    assert watch.take_breakouts() == 10
    await watch.finish(Shutdown())
    assert dao.made == checks, "nothing was read since"
    assert watch.take_breakouts() == 0


async def test_a_cycle_goes_on_while_videos_are_judged_and_one_check_waits_for_the_other() -> None:
    watch = ReadingsWatch(dao := Checks())
    dao.free.clear()
    with settings.override(atlas_clock=standing_at(NOON)):
        await watch.add(["first"], NOON)
    with settings.override(atlas_clock=standing_at(NOON + timedelta(hours=1))):
        second = asyncio.create_task(watch.add(["second"], NOON + timedelta(hours=1)))
        await asyncio.sleep(0)
        assert not dao.judged
        assert not second.done()
        dao.free.set()
        await second
    await watch.finish(Shutdown())
    assert [ids for ids, _ in dao.judged] == [["first"], ["second"]]


async def test_of_very_many_videos_the_counts_of_the_latest_are_checked_and_all_are_judged_without_delay() -> None:
    watch = ReadingsWatch(dao := Checks())
    with settings.override(atlas_clock=standing_at(NOON)):
        await watch.add(["first"], NOON)
        await watch.add((f"v{n}" for n in range(6_500)), NOON)
        await watch.add(["last"], NOON)
    await watch.finish(Shutdown())
    assert [len(ids) for ids, _ in dao.judged] == [1, 2_500, 2_500, 1_500, 1], "too many to wait for the last"
    assert dao.made[1][0] == [f"v{n}" for n in range(5_500, 6_500)]


async def test_a_statement_that_fails_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    watch = ReadingsWatch(dao := Checks())
    dao.failure = StatementFailed("refused")
    with settings.override(atlas_clock=standing_at(NOON)):
        await watch.add(["v"], NOON)
    await watch.finish(Shutdown())
    assert "cannot check whether counts stand still: refused" in caplog.text
    assert "cannot judge growth: refused" in caplog.text


async def test_a_lost_database_is_raised_by_the_next_call() -> None:
    watch = ReadingsWatch(dao := Checks())
    dao.failure = DatabaseUnavailable("gone")
    with settings.override(atlas_clock=standing_at(NOON)):
        await watch.add(["v"], NOON)
    with pytest.raises(DatabaseUnavailable, match="gone"):
        await watch.finish(Shutdown())


async def test_videos_are_judged_before_they_are_read_again() -> None:
    watch = ReadingsWatch(dao := Checks())
    dao.free.clear()
    with settings.override(atlas_clock=standing_at(NOON)):
        await watch.add(["checked"], NOON)
        await watch.add(["waits"], NOON)
        await watch.settle(["other"])
        assert not dao.judged
        dao.free.set()
        await watch.settle(["checked"])
        assert [ids for ids, _ in dao.judged] == [["checked"]]
        await watch.settle(["checked", "waits"])
    assert [ids for ids, _ in dao.judged] == [["checked"], ["waits"]]


@pytest.mark.parametrize("before", [True, False], ids=["before", "during"])
async def test_a_signal_bounds_the_last_check(
    before: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shutdowns, "GRACE_SECONDS", 0.0)
    watch, shutdown = ReadingsWatch(dao := Checks()), Shutdown()
    dao.free.clear()
    with settings.override(atlas_clock=standing_at(NOON)):
        await watch.add(["v"], NOON)
    if before:
        shutdown.cancel(15)
    else:
        asyncio.get_running_loop().call_soon(shutdown.cancel, 15)
    async with asyncio.timeout(10):
        await watch.finish(shutdown)
    assert not dao.judged
    assert "no time is left to judge the last readings" in caplog.text
