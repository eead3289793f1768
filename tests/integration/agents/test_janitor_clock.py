"""The Janitor and wrong clocks: what cannot be undone rests on no clock alone."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from atlas import vault
from atlas.adapters.retention import Outlook, RetentionDAO
from atlas.config import settings
from atlas.database import Database
from maia.agents.janitor_session import JanitorSession
from maia.commands.janitor import _print, _print_json
from maia.errors import Unconfirmed
from maia.janitor import JanitorOptions, run_janitor_cycle, work

from ...support.agents import Timeline, value
from ...support.clock_settings import running_from
from ...support.commands import ATLAS, MAIA, run
from ...support.retention_rows import DAY, everything, put_run, put_snapshots, put_video

FAKETIME = shutil.which("faketime")

pytestmark = pytest.mark.integration


@pytest.fixture
def role() -> None:
    """The owner's: what the Janitor may do as `maia_janitor` is seen in test_janitor_processes.py."""


@pytest.fixture(autouse=True)
def _place(vault_folder: Path, timeline: Timeline) -> None:
    """An archive of the test's own, and the schedule clock."""


async def put_month(db: Database, timeline: Timeline, *, ago: timedelta = timedelta()) -> None:
    """1,500 videos that were found over the 30 days before a moment."""
    await db.fetch(
        "INSERT INTO videos (id, title, first_seen_at, enriched_at, zone)"
        " SELECT 'v' || n, 'a title', at, at, 3 FROM generate_series(0, 1499) AS n,"
        " LATERAL (SELECT $1::timestamptz - n * interval '28 min' AS at) AS found",
        timeline.at - ago,
    )


def archive_days(timeline: Timeline, *ages: int, records: int) -> None:
    """So many records for each of the days so long ago."""
    now = timeline.at
    for age in ages:
        timeline.set(now - age * DAY)
        for number in range(records):
            vault.store_metadata(f"video-{age}-{number}", {"id": f"video-{age}-{number}"})
    timeline.set(now)


@pytest.mark.skipif(FAKETIME is None, reason="faketime is not installed (Debian: faketime)")
async def test_on_a_machine_forty_days_ahead_nothing_is_deleted(
    db: Database, timeline: Timeline, vault_folder: Path
) -> None:
    assert FAKETIME is not None
    timeline.set(await value(db, "SELECT now()"))
    await put_month(db, timeline)
    archive_days(timeline, 3, records=2)
    await vault.flush()
    before, files = await everything(db), sorted(vault_folder.rglob("*"))
    commands = (
        (*MAIA, "janitor"),
        (*MAIA, "janitor", "--yes"),
        (*MAIA, "janitor", "--dry-run"),
        (*ATLAS, "forget", "--video", "v1", "--yes"),
    )
    ahead = (FAKETIME, "-f", "+40d")
    for done in await asyncio.gather(*(run(*ahead, *command, ATLAS_CLOCK="real") for command in commands)):
        assert (done.code, "This machine's clock (" in done.stderr) == (78, True), done.stderr
    assert (await everything(db), sorted(vault_folder.rglob("*"))) == (before, files)


@pytest.mark.parametrize("noted", ["real", None], ids=["real", "an earlier release"])
async def test_a_schedule_clock_that_was_forgotten_is_refused_where_the_real_one_was_used(
    db: Database, timeline: Timeline, noted: str | None
) -> None:
    timeline.set(await value(db, "SELECT now()"))
    await put_month(db, timeline)
    await db.fetch(
        "INSERT INTO runs (id, agent, started_at, clock) VALUES (gen_random_uuid(), 'hunter', now(), $1)", noted
    )
    before = await everything(db)
    specs = (running_from(timeline.at + 40 * DAY), "3600x")
    for done in await asyncio.gather(*(run(*MAIA, "janitor", "--yes", ATLAS_CLOCK=spec) for spec in specs)):
        assert (done.code, "ATLAS_CLOCK: the database was used with the real clock" in done.stderr) == (78, True)
    assert await everything(db) == before


@pytest.mark.parametrize("first", ["janitor", "hunter", "refused"])
async def test_a_database_whose_clock_is_forty_days_ahead_too_looks_like_a_long_rest_and_is_asked_about(
    db: Database, timeline: Timeline, first: str
) -> None:
    """Also where another agent ran before the Janitor did, by the same clock."""
    await put_month(db, timeline, ago=40 * DAY)
    for days in (40.5, 41.5, 42.5):
        await put_run(db, days)
        await put_run(db, days - 0.3, agent="hunter")
    if first == "hunter":
        await put_run(db, 0.5, agent="hunter")
    if first == "refused":
        await put_run(db, 0.5, outcome="failure", exit_code=2)
    before = await everything(db)
    with pytest.raises(Unconfirmed, match=r"1,500 of 1,500 rows of videos \(100%, bound 7\d%\)"):
        await run_janitor_cycle()
    assert await everything(db) == before
    assert (await run_janitor_cycle(yes=True))["videos_deleted"] == 1_500


async def test_where_others_went_on_running_a_janitor_that_was_away_needs_no_yes(
    db: Database, timeline: Timeline
) -> None:
    await put_month(db, timeline, ago=40 * DAY)
    await put_run(db, 40.5)
    for days in (30, 20, 10):
        await put_run(db, days, agent="tracker")
    assert (await run_janitor_cycle())["videos_deleted"] == 1_500


@pytest.mark.parametrize(("days", "deleted"), [(8, True), (3, False)])
async def test_a_missed_week_does_not_block(db: Database, timeline: Timeline, days: float, deleted: bool) -> None:
    """Nothing ran for so long: 500 of 1,500 rows are too old by now, and 1,100 where there is more of them."""
    await put_month(db, timeline, ago=8 * DAY)
    for name, number, age in (("w", 700, 31), ("x", 1_200, 1)):
        await db.fetch(
            "INSERT INTO videos (id, first_seen_at, enriched_at, zone) SELECT $1::text || n, $2, $2, 3"
            " FROM generate_series(1, $3::int) AS n",
            name, timeline.at - age * DAY, number,
        )  # fmt: skip
    await put_run(db, days)
    rows = await value(db, "SELECT count(*) FROM videos WHERE enriched_at < $1", timeline.at - 30 * DAY)
    assert 1_000 < rows < 0.4 * 3_400
    if deleted:
        assert (await run_janitor_cycle())["videos_deleted"] == rows
    else:
        with pytest.raises(Unconfirmed, match="bound 20%"):
            await run_janitor_cycle()


async def test_a_last_good_run_that_lies_in_the_future_gives_no_room(db: Database, timeline: Timeline) -> None:
    await put_run(db, -3)
    await put_run(db, 2, agent="hunter")
    assert (await RetentionDAO().outlook()).days == 0


async def test_only_what_was_looked_at_is_deleted_whatever_the_clock_does_meanwhile(
    db: Database, timeline: Timeline, vault_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_month(db, timeline)
    await put_video(db, "old", timeline.at, seen=60, enriched=60)
    await put_snapshots(db, "v1", timeline.at, 31, 2)
    archive_days(timeline, 31, 2, records=1)
    await vault.flush()
    look = RetentionDAO.outlook

    async def then_the_clock_jumps(dao: RetentionDAO) -> Outlook:
        found = await look(dao)
        timeline.advance(days=40)
        return found

    monkeypatch.setattr(RetentionDAO, "outlook", then_the_clock_jumps)
    stats = await run_janitor_cycle()
    deleted = {name: stats[name] for name in ("videos_deleted", "snapshots_deleted", "days_expired")}
    assert deleted == {"videos_deleted": 1, "snapshots_deleted": 1, "days_expired": 1}


@pytest.mark.parametrize("layout", ["files", "packed"])
@pytest.mark.parametrize(
    ("old", "young", "records", "refused"),
    [
        ((31, 32, 33), (1, 2), 334, "3 of 5 days of the archive (60%, bound 20%)"),
        ((31, 32, 33), (1, 2), 333, None),
        ((31,), (1, 2, 3, 4), 1_001, None),
    ],
)
async def test_the_archive_has_a_bound_too(
    db: Database, timeline: Timeline, vault_folder: Path, layout: str, old: tuple[int, ...], young: tuple[int, ...],
    records: int, refused: str | None,
) -> None:  # fmt: skip
    with settings.override(vault_layout=layout):
        archive_days(timeline, *old, records=records)
        archive_days(timeline, *young, records=1)
        assert not (await vault.flush()).failed
        if refused is not None:
            before = sorted(vault_folder.rglob("*"))
            with pytest.raises(Unconfirmed) as error:
                await run_janitor_cycle()
            assert refused in str(error.value)
            assert sorted(vault_folder.rglob("*")) == before
        stats = await run_janitor_cycle(yes=refused is not None)
    assert (stats["outcome"], stats["days_expired"]) == ("ok", len(old))


async def test_a_dry_run_names_the_days_of_the_archive(
    db: Database, timeline: Timeline, capsys: pytest.CaptureFixture[str]
) -> None:
    archive_days(timeline, 31, 32, 1, records=1)
    await vault.flush()
    await work(JanitorOptions(dry_run=True, show=_print))
    assert "archive, old: 2 of 3 days" in capsys.readouterr().out
    await work(JanitorOptions(dry_run=True, show=_print_json))
    assert json.loads(capsys.readouterr().out)["archive"] == {"days": 2, "total": 3}


async def test_a_confirmed_run_that_is_cut_short_confirms_nothing_for_the_next(
    db: Database, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_month(db, timeline, ago=40 * DAY)
    monkeypatch.setattr(JanitorSession, "seconds_left", 0.0)
    stats = await run_janitor_cycle(max_minutes=1, yes=True)
    assert stats["cut_short"] is True
    assert stats["reason"] == (
        "the time was up before all was looked at; the next run goes on, and needs --yes again while that is beyond "
        "its bound"
    )
    with pytest.raises(Unconfirmed, match="bound 20%"):
        await run_janitor_cycle()
