"""Taking things out of the archive for good: old days, and single videos; from its history too."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from atlas import vault
from atlas.config import settings
from atlas.errors import ArchiveUnavailable
from atlas.vault.archive import Archive
from atlas.vault.erasure import MARKER, Selection, erase, search
from atlas.vault.expiry import expire
from atlas.vault.layout import decode_part, is_part

from ..support.archives import DAY, Killed, MemoryProvider, all_records, contents, put_files, put_part, record

LATER = [DAY + timedelta(days=n) for n in range(4)]


@pytest.fixture
def place() -> MemoryProvider:
    return MemoryProvider()


@pytest.fixture
def archive(place: MemoryProvider) -> Archive:
    return Archive(place)


def filled(place: MemoryProvider) -> None:
    """Four days, each with a file and a part, and what is not the archive's."""
    for n, day in enumerate(LATER):
        put_files(place, record(f"file{n}", day))
        put_part(place, record(f"part{n}", day), record(f"also{n}", day))
    place.files |= {"README.md": b"a card", "metadata/2026-11-20/notes.txt": b"mine"}


# ── old days ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_days_before_the_date_go_with_their_history_and_nothing_else(archive: Archive, place: MemoryProvider) -> None:
    filled(place)
    report = expire(archive, LATER[2])
    assert report.days == tuple(LATER[:2])
    assert (report.files, report.parts, report.left, report.error) == (2, 2, (), None)
    assert report.history_erased
    assert archive.days() == LATER[2:]
    assert {"README.md", "metadata/2026-11-20/notes.txt"} < set(place.files)
    assert MARKER not in place.files
    assert not [body for body in place.history if b"file0" in body or b"file1" in body]
    assert all_records(place) == sorted((f"{kind}{n}", "A title") for kind in ("file", "part", "also") for n in (2, 3))


def test_a_dry_run_says_the_same_and_changes_nothing(archive: Archive, place: MemoryProvider) -> None:
    filled(place)
    before, commits = contents(place), place.commits
    report = expire(archive, LATER[2], dry_run=True)
    assert (report.days, report.files, report.parts) == (tuple(LATER[:2]), 2, 2)
    assert not report.history_erased
    assert (contents(place), place.commits) == (before, commits)


def test_where_nothing_is_old_nothing_is_committed(archive: Archive, place: MemoryProvider) -> None:
    filled(place)
    commits = place.commits
    assert expire(archive, DAY).days == ()
    assert place.commits == commits


@pytest.mark.parametrize("kill_after", range(12))
def test_a_kill_at_any_moment_is_made_good_by_the_next_run(
    archive: Archive, place: MemoryProvider, kill_after: int
) -> None:
    filled(place)
    place.kill_after = kill_after
    try:
        expire(archive, LATER[2])
    except Killed:
        pass
    else:
        assert kill_after >= 8
    place.kill_after = None
    expire(archive, LATER[2])
    assert archive.days() == LATER[2:]
    assert MARKER not in place.files
    assert not [body for body in place.history if b"file0" in body or b"file1" in body]


def test_what_cannot_be_deleted_is_named_and_left_to_the_next_run(archive: Archive, place: MemoryProvider) -> None:
    filled(place)
    stuck = "metadata/2026-11-20/file0.json"
    place.refused = {stuck}
    report = expire(archive, LATER[2])
    assert (report.days, report.left) == ((LATER[1],), (LATER[0],))
    assert (report.files, report.parts) == (1, 2)
    assert report.error == f"1 files could not be deleted, such as {stuck}: refused"
    place.refused = set()
    assert expire(archive, LATER[2]).days == (LATER[0],)


def test_when_the_time_is_up_no_day_is_begun(archive: Archive, place: MemoryProvider) -> None:
    filled(place)
    report = expire(archive, LATER[2], deadline=time.monotonic() - 1)
    assert (report.days, report.left, report.error) == ((), tuple(LATER[:2]), "the time was up with 2 days left")
    assert archive.days() == LATER


def test_a_history_that_cannot_be_erased_is_an_error_until_it_is(
    archive: Archive, place: MemoryProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(place)
    with monkeypatch.context() as patched:

        def refuse() -> None:
            raise PermissionError("not yours")

        patched.setattr(place, "erase_history", refuse)
        with pytest.raises(ArchiveUnavailable, match=r"memory\): its history could not be erased: not yours"):
            expire(archive, LATER[2])
    assert place.files[MARKER]
    assert expire(archive, LATER[2]).history_erased
    assert MARKER not in place.files


async def test_expire_reports_what_went_wrong_and_never_raises(
    place: MemoryProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(place)
    monkeypatch.setattr(vault, "provider_from_settings", lambda: place)
    monkeypatch.setattr(vault, "_current", None)
    place.gone = True
    report = await vault.expire(LATER[2])
    assert report.error == "the archive cannot be read (memory): the place is gone"
    place.gone = False
    assert (await vault.expire(LATER[2], dry_run=True)).days == tuple(LATER[:2])
    assert (await vault.expire(LATER[2])).days == tuple(LATER[:2])
    forgotten = await vault.erase(["file2", "part3"], since=LATER[3])
    assert (forgotten.files, forgotten.records) == (0, 1)


async def test_without_an_archive_there_is_nothing_to_expire() -> None:
    with settings.override(vault_provider="off"):
        report = await vault.expire(DAY)
        forgotten = await vault.erase(["a"])
    assert (report.days, report.error, report.history_erased) == ((), None, False)
    assert forgotten.video_ids == set()


# ── single videos ───────────────────────────────────────────────────────────────────────────────────────────────────


def wanted(*videos: str, channels: tuple[str, ...] = ()) -> Selection:
    return Selection(frozenset(videos), frozenset(channels))


def test_a_video_goes_from_every_day_and_both_layouts_and_the_others_stay_as_they_are(
    archive: Archive, place: MemoryProvider
) -> None:
    put_files(place, record("a"), record("b"), record("a", LATER[1]))
    part = put_part(place, record("a", LATER[2]), record("b", LATER[2]), record("c", LATER[2]))
    alone = put_part(place, record("a", LATER[3]))
    untouched = put_part(place, record("b", LATER[3]), token="ff")
    others = [each for each in decode_part(place.files[part]) if each.video_id != "a"]
    body = place.files[untouched]
    found = erase(archive, wanted("a"))
    assert (found.files, found.records, found.parts, found.video_ids) == (2, 2, 2, {"a"})
    assert not found.unsearched
    assert not found.failed
    assert list(decode_part(place.files[part])) == others
    assert alone not in place.files
    assert place.files[untouched] == body
    assert set(place.files) == {"metadata/2026-11-20/b.json", part, untouched}
    assert not [old for old in place.history if b'"id":"a"' in old or any(r.video_id == "a" for r in unpacked(old))]
    assert search(archive, wanted("a")).video_ids == set()


def unpacked(body: bytes) -> list[object]:
    try:
        return list(decode_part(body))
    except ValueError:
        return []


def test_searching_finds_and_changes_nothing(archive: Archive, place: MemoryProvider) -> None:
    put_files(place, record("a"))
    put_part(place, record("a", LATER[1]), record("b", LATER[1]))
    before, commits = contents(place), place.commits
    found = search(archive, wanted("a", "nowhere"))
    assert (found.files, found.records, found.video_ids) == (1, 1, {"a"})
    assert (contents(place), place.commits) == (before, commits)


def test_a_channel_goes_with_all_its_videos(archive: Archive, place: MemoryProvider) -> None:
    put_files(place, record("a", channel="UCgone"), record("b"))
    part = put_part(place, record("c", channel="UCgone"), record("d"))
    found = erase(archive, wanted(channels=("UCgone",)))
    assert found.video_ids == {"a", "c"}
    assert set(place.files) == {"metadata/2026-11-20/b.json", part}
    assert [each.video_id for each in decode_part(place.files[part])] == ["d"]


def test_a_record_under_another_name_is_found_where_it_is_read(archive: Archive, place: MemoryProvider) -> None:
    place.files["metadata/2026-11-20/x.json"] = record("a").body
    assert erase(archive, wanted("a", channels=("UCno",))).files == 1
    assert place.files == {}


def test_since_a_day_nothing_older_is_looked_at(archive: Archive, place: MemoryProvider) -> None:
    put_files(place, record("a"), record("a", LATER[2]))
    assert erase(archive, wanted("a"), since=LATER[1]).files == 1
    assert list(place.files) == ["metadata/2026-11-20/a.json"]


def test_what_cannot_be_searched_is_named_and_the_rest_is_erased(archive: Archive, place: MemoryProvider) -> None:
    short = put_part(place, record("a"), token="2")
    place.files[short] = place.files[short][:-3]
    hidden = put_part(place, record("a", LATER[1]))
    place.unreadable = {hidden}
    put_files(place, record("a", LATER[2]))
    found = erase(archive, wanted("a"))
    assert found.files == 1
    assert [(damage.path, damage.unread) for damage in found.unsearched] == [(short, False), (hidden, True)]
    assert str(found.unsearched[0]) == f"{short}: its end is missing"
    assert set(place.files) == {short, hidden}


def test_a_damaged_file_of_the_video_itself_goes(archive: Archive, place: MemoryProvider) -> None:
    place.files["metadata/2026-11-20/a.json"] = b"{"
    found = erase(archive, wanted("a"))
    assert found.files == 1
    assert not found.unsearched
    assert place.files == {}


@pytest.mark.parametrize("kill_after", range(9))
def test_a_kill_during_an_erasure_is_completed_by_the_next_run(
    archive: Archive, place: MemoryProvider, kill_after: int
) -> None:
    put_files(place, record("a"), record("b"))
    put_part(place, record("a"), record("b"))
    put_part(place, record("a", LATER[1]))
    place.kill_after = kill_after
    try:
        erase(archive, wanted("a"))
    except Killed:
        pass
    else:
        assert kill_after >= 7
    place.kill_after = None
    erase(archive, wanted("a"))
    assert MARKER not in place.files
    assert all_records(place) == [("b", "A title"), ("b", "A title")]
    assert not [body for body in place.history if any(getattr(r, "video_id", "") == "a" for r in unpacked(body))]


def test_what_cannot_be_changed_is_named(archive: Archive, place: MemoryProvider) -> None:
    part = put_part(place, record("a"), record("b"))
    put_files(place, record("a"))
    place.refused = {part, "metadata/2026-11-20/a.json"}
    assert erase(archive, wanted("a")).failed == {part: "refused", "metadata/2026-11-20/a.json": "refused"}
    assert is_part(part)
    assert search(archive, wanted("a")).video_ids == {"a"}
