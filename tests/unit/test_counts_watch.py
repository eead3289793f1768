"""CountsWatch: how often the counts that a Tracker reads are checked, and that no video is left out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from atlas import policy
from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.errors import StatementFailed
from maia.agents.counts_watch import CountsWatch

from ..support.clock_settings import standing_at

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Checks(MaiaDAO):
    def __init__(self) -> None:
        super().__init__()
        self.made: list[tuple[list[str], datetime]] = []
        self.failure: StatementFailed | None = None

    async def check_freeze(self, ids: Sequence[str], since: datetime) -> None:
        if self.failure is not None:
            raise self.failure
        self.made.append((list(ids), since))


async def test_the_first_cycle_is_checked_and_later_ones_once_a_minute_together() -> None:
    watch = CountsWatch(dao := Checks())
    for second in range(0, 100, 10):
        at = NOON + timedelta(seconds=second)
        with settings.override(atlas_clock=standing_at(at)):
            await watch.add([f"v{second}"], at)
    minute = int(policy.FREEZE_CHECK_INTERVAL.total_seconds())
    assert dao.made == [
        (["v0"], NOON),
        ([f"v{second}" for second in range(10, minute + 1, 10)], NOON + timedelta(seconds=10)),
    ]
    await watch.check()
    assert dao.made[2:] == [(["v70", "v80", "v90"], NOON + timedelta(seconds=70))]
    await watch.check()
    assert len(dao.made) == 3, "nothing was read since"


async def test_of_very_many_videos_the_latest_are_checked() -> None:
    watch = CountsWatch(dao := Checks())
    with settings.override(atlas_clock=standing_at(NOON)):
        await watch.add(["first"], NOON)
        await watch.add((f"v{n}" for n in range(1_500)), NOON)
    await watch.check()
    assert dao.made[1][0] == [f"v{n}" for n in range(500, 1_500)]


async def test_a_statement_that_fails_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    watch = CountsWatch(dao := Checks())
    dao.failure = StatementFailed("refused")
    with settings.override(atlas_clock=standing_at(NOON)):
        await watch.add(["v"], NOON)
    assert "cannot check whether counts stand still: refused" in caplog.text
