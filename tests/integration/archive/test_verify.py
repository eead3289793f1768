"""`atlas vault verify`: what is archived, compared with what the database says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas.adapters.archive import ArchiveDAO
from atlas.adapters.maia import MaiaDAO
from atlas.database import Database
from atlas.errors import ArchiveUnavailable
from atlas.operations.verify import Verification, verify
from atlas.vault.archive import Archive, Damage
from atlas.vault.providers.base import Provider

from ...support.archives import MemoryProvider, ids, put_bytes, put_files, put_part, record, resource
from ...support.commands import invoke
from .conftest import NOW

pytestmark = pytest.mark.integration

TODAY = NOW.date()
YESTERDAY = TODAY - timedelta(days=1)
LONG_AGO = TODAY - timedelta(days=20)


async def stored(*videos: str, archived: datetime | None = NOW - timedelta(hours=1)) -> None:
    """Rows of videos, marked as archived or not."""
    dao = MaiaDAO()
    seen = dict.fromkeys(videos, NOW - timedelta(hours=2))
    await dao.ingest_video_metadata([resource(video) for video in videos], observed_at=seen)
    if archived:
        await dao.mark_archived(dict.fromkeys(videos, archived))


async def marked(db: Database) -> dict[str, datetime | None]:
    return {row["id"]: row["archived_at"] for row in await db.fetch("SELECT id, archived_at FROM videos ORDER BY id")}


async def verified(place: Provider, **how: Any) -> Verification:
    return await verify(Archive(place), ArchiveDAO(), **how)


async def test_every_kind_of_difference_is_distinguished(db: Database, place: Provider) -> None:
    await stored("good", "gone", "broken")
    await stored("waiting", "unmarked", archived=None)
    await stored("expired", archived=NOW - timedelta(days=40))
    put_files(place, record("good", YESTERDAY), record("unknown", YESTERDAY), record("purged", LONG_AGO))
    put_part(place, record("unmarked", YESTERDAY, hour=7))
    broken = put_part(place, record("broken", LONG_AGO))
    body = place.read(broken)
    assert body is not None
    put_bytes(place, broken, body[:-2])
    seen: list[Damage] = []
    report = await verified(place, damaged=seen.append)
    assert [damage.path for damage in seen] == [broken]
    assert (report.damaged, report.missing, report.without_row, report.deleted) == (1, 2, 1, 1)
    assert (report.expired, report.unmarked, report.unread, report.repaired) == (1, 1, 0, 0)
    assert sorted(report.examples["missing"]) == ["broken", "gone"]
    assert report.examples["without_row"] == ["unknown"]
    assert (await marked(db))["gone"] is not None


async def test_repair_leaves_only_what_it_cannot_repair(db: Database, place: Provider) -> None:
    await stored("good", "gone")
    await stored("unmarked", archived=None)
    await stored("expired", archived=NOW - timedelta(days=40))
    put_files(place, record("good", YESTERDAY), record("unmarked", LONG_AGO), record("unmarked", YESTERDAY, hour=7))
    before = await marked(db)
    report = await verified(place, repair=True)
    assert (report.missing, report.expired, report.unmarked, report.repaired) == (1, 1, 1, 3)
    assert await marked(db) == before | {
        "gone": None,
        "expired": None,
        "unmarked": datetime(2026, 11, 21, 7, tzinfo=UTC),
    }
    again = await verified(place, repair=True)
    assert (again.missing, again.expired, again.unmarked, again.repaired) == (0, 0, 0, 0)


@pytest.mark.parametrize(("days", "hours", "kind"), [(29, 0.1, "expired"), (28, 0.1, "missing")])
async def test_what_went_with_its_day_is_not_missing(
    db: Database, local: Provider, days: int, hours: float, kind: str
) -> None:
    """The 23rd of October is 30 days past: its last record was marked a little after midnight."""
    midnight = NOW.replace(hour=0) - timedelta(days=days)
    await stored("a", archived=midnight + timedelta(hours=hours))
    report = await verified(local)
    assert {name: getattr(report, name) for name in ("expired", "missing")} == {"expired": 0, "missing": 0} | {kind: 1}


async def test_what_shards_archive_meanwhile_is_not_judged(db: Database, local: Provider) -> None:
    await stored("a", archived=NOW + timedelta(seconds=5))  # after the walk began
    put_files(local, record("b", YESTERDAY))
    await stored("b")
    report = await verified(local, repair=True)
    assert (report.missing, report.repaired) == (0, 0)
    assert (await marked(db))["a"] is not None


@pytest.mark.parametrize("packed", [False, True], ids=["file", "part"])
async def test_a_record_that_cannot_be_read_does_not_count_as_missing(db: Database, packed: bool) -> None:
    """Of a file it is known whose it is; of a part it is not, and nothing is repaired."""
    place = MemoryProvider()
    await stored("a", "b", "c")
    put_files(place, record("b", YESTERDAY))
    place.unreadable = {
        put_part(place, record("a", YESTERDAY)) if packed else put_files(place, record("a", YESTERDAY))[0]
    }
    report = await verified(place, repair=True)
    found = (report.damaged, report.unread, report.missing, report.repaired)
    assert found == ((1, 1, 2, 0) if packed else (1, 0, 1, 1))
    assert [id_ for id_, at in (await marked(db)).items() if at is None] == ([] if packed else ["c"])


async def test_an_empty_archive_is_repaired_from_only_if_it_is_meant(db: Database, local: Provider) -> None:
    await stored("a", "b")
    report = await verified(local, repair=True)
    assert report.empty
    assert (report.missing, report.repaired) == (2, 0)
    done = await invoke("vault", "verify", "--repair")
    assert done.code == 1
    assert "nothing was repaired: the archive holds no record at all" in done.stderr
    assert (await invoke("vault", "verify", "--repair", "--yes")).code == 0
    assert await marked(db) == {"a": None, "b": None}


async def test_a_place_that_cannot_be_reached_is_an_error_and_changes_nothing(db: Database) -> None:
    place = MemoryProvider()
    await stored("a")
    place.gone = True
    with pytest.raises(ArchiveUnavailable):
        await verified(place, repair=True, even_if_empty=True)
    assert None not in (await marked(db)).values()


async def test_many_videos_are_compared_page_by_page(db: Database, local: Provider) -> None:
    """Ids in an order that a collation may see otherwise, over more than one page."""
    await db.fetch(
        "INSERT INTO videos (id, first_seen_at, zone, archived_at)"
        " SELECT CASE n % 3 WHEN 0 THEN 'A' WHEN 1 THEN '-b' ELSE '_c' END || n, now(), 3, $1"
        " FROM generate_series(1, 25000) AS n",
        NOW - timedelta(days=1),
    )
    there = [row["id"] for row in await db.fetch("SELECT id FROM videos WHERE right(id, 2) <> '77'")]
    put_part(local, *(record(id_, YESTERDAY) for id_ in there))
    report = await verified(local)
    assert (report.videos, report.records, report.missing) == (25_000, len(there), 25_000 - len(there))
    assert report.missing == 250


async def test_differences_are_named_and_end_with_1_until_they_are_repaired(db: Database, local: Provider) -> None:
    await stored("a", "gone")
    put_files(local, record("a", YESTERDAY), record("a", LONG_AGO))
    done = await invoke("vault", "verify")
    assert (done.code, done.stderr) == (1, "")
    assert "missing: 1 videos count as archived and have no readable record\n  gone\n" in done.out
    assert "`atlas vault verify --repair` repairs" in done.out
    done = await invoke("vault", "verify", "--repair")
    assert (done.code, done.stderr) == (0, "")
    assert "repaired: 1\n" in done.out
    done = await invoke("vault", "verify")
    assert (done.code, done.stderr) == (0, "")
    assert "archive: 2 records of 2 days\ndatabase: 2 videos\ndamaged: 0\n" in done.out


async def test_damage_and_unknown_records_end_with_1_whatever_is_repaired(db: Database, local: Provider) -> None:
    put_files(local, *(record(id_, YESTERDAY) for id_ in ids(25)))
    put_bytes(local, f"metadata/{YESTERDAY}/x.json", b"{")
    done = await invoke("vault", "verify", "--repair")
    assert (done.code, done.stderr) == (1, "")
    assert f"damaged: metadata/{YESTERDAY}/x.json: the record of x is no JSON" in done.out
    assert "without a row: 25 videos" in done.out
    assert " and 5 more\n" in done.out
    assert "`atlas rebuild --missing` adds them" in done.out


async def test_without_an_archive_the_setting_is_named(
    db: Database, local: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_PROVIDER", "off")
    for command in (("vault", "verify"), ("vault", "compact"), ("rebuild",)):
        done = await invoke(*command)
        assert (done.code, done.out) == (78, "")
        assert done.stderr.startswith("atlas: VAULT_PROVIDER is off: there is no archive.")
        assert done.stderr.count("\n") == 1
