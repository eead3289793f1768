"""A machine whose clock is minutes wrong: agents follow the database's clock."""

from __future__ import annotations

import shutil
import sys
from datetime import datetime, timedelta

import pytest

from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children
from ...support.agents import fetch, value

FAKETIME = shutil.which("faketime")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(FAKETIME is None, reason="faketime is not installed (Debian: faketime)"),
]

LATE = timedelta(minutes=5)
"""How long a command may take; the clock is wrong by four times as much."""


@pytest.mark.parametrize("shift", ["+20m", "-20m"])
async def test_a_clock_that_is_wrong_loses_no_minute_and_asks_for_no_inverted_window(
    db: Database, api: RunningSandbox, children: Children, monkeypatch: pytest.MonkeyPatch, shift: str
) -> None:
    assert FAKETIME is not None
    monkeypatch.setenv("ATLAS_CLOCK", "real")
    settings.reload()
    await QueueDAO().add(["python"])
    wrong = (FAKETIME, "-f", shift, sys.executable, "-m", "maia")
    began = await value(db, "SELECT now()")
    first = await children.run("hunter", command=wrong)
    ended = await value(db, "SELECT now()")
    assert (first.code, first.result and first.result["stats"]["searches"]) == (0, 1), first.output
    (warning,) = [line for line in first.stderr.splitlines() if "This machine's clock (" in line]
    assert f"is 20 min {'ahead of' if shift[0] == '+' else 'behind'} the database's (" in warning
    # the same by every clock of the process
    (run,) = await fetch(db, "SELECT started_at, finished_at, clock FROM runs")
    assert began - LATE < run["started_at"] <= run["finished_at"] < ended + LATE
    assert run["clock"] == "real"
    assert first.result is not None
    for name in ("started_at", "finished_at"):
        assert began - LATE < datetime.fromisoformat(first.result[name]) < ended + LATE
    (query,) = await fetch(db, "SELECT last_searched_at FROM search_queue WHERE query_term = 'python'")
    assert began - LATE < query["last_searched_at"] < ended + LATE
    for row in await fetch(db, "SELECT first_seen_at AS at FROM videos UNION ALL SELECT at FROM events"):
        assert began - LATE < row["at"] < ended + LATE
    # a machine whose clock is right goes on where that one ended
    await db.fetch("UPDATE search_queue SET status = 'active', next_page_token = NULL, page = 0, due_at = NULL")
    await db.fetch("DELETE FROM search_queue WHERE source = 'tag'")
    second = await children.run("hunter")
    assert second.code == 0, second.output
    assert "This machine's clock" not in second.stderr
    windows = [
        (entry.params["publishedAfter"], entry.params["publishedBefore"])
        for entry in api.log.calls("search")
        if entry.params["q"] == "python"
    ]
    assert len(windows) == 2
    for after, before in windows:
        assert after < before, "no window is inverted"
    assert windows[1][0] <= windows[0][1], "no minute lies between the two"
