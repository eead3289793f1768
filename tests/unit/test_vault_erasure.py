"""Taking things out of the archive for good: old days, and single videos; from its history too."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from unittest.mock import Mock

import pytest

from atlas import vault
from atlas.config import settings
from atlas.errors import ArchiveUnavailable
from atlas.vault.archive import Archive
from atlas.vault.erasure import MARKER, Selection, erase, search
from atlas.vault.expiry import expire
from atlas.vault.layout import decode_part

from ..support.archives import DAY, Killed, MemoryProvider, all_records, contents, put_files, put_part, record

LATER = [DAY + timedelta(days=n) for n in range(4)]
NOTES = {"README.md": b"a card", f"metadata/{DAY}/notes.txt": b"mine"}


@pytest.fixture
def place() -> MemoryProvider:
    return MemoryProvider()


@pytest.fixture
def archive(place: MemoryProvider) -> Archive:
    return Archive(place)


@pytest.fixture
def filled(place: MemoryProvider) -> MemoryProvider:
    """Four days, each with a file and a part, and what is not the archive's."""
    for n, day in enumerate(LATER):
        put_files(place, record(f"file{n}", day))
        put_part(place, record(f"part{n}", day), record(f"also{n}", day))
    place.files |= NOTES
    return place


def wanted(*videos: str, channels: tuple[str, ...] = ()) -> Selection:
    return Selection(frozenset(videos), frozenset(channels))


def in_history(place: MemoryProvider, *videos: str) -> set[str]:
    """Which of the videos any content that ever was is a record of, until it is erased."""
    found: set[str] = set()
    for body in place.history:
        try:
            found.update(each.video_id for each in decode_part(body))
        except ValueError:
            found.update(video for video in videos if b'"id":"%s"' % video.encode() in body)
    return found & set(videos)


def test_days_before_the_date_go_with_their_history_and_nothing_else(archive: Archive, filled: MemoryProvider) -> None:
    before, commits = contents(filled), filled.commits
    assert expire(archive, DAY).days == ()
    would = expire(archive, LATER[2], dry_run=True)
    assert (would.days, would.files, would.parts, would.history_erased) == (tuple(LATER[:2]), 2, 2, False)
    assert (contents(filled), filled.commits) == (before, commits)
    report = expire(archive, LATER[2])
    assert (report.days, report.files, report.parts, report.left, report.error) == (would.days, 2, 2, (), None)
    assert report.history_erased
    assert archive.days() == LATER[2:]
    assert filled.files.items() >= NOTES.items()
    assert MARKER not in filled.files
    assert not in_history(filled, "file0", "file1", "part0", "part1")
    assert all_records(filled) == sorted((f"{kind}{n}", "A title") for kind in ("file", "part", "also") for n in (2, 3))


def expire_two(archive: Archive) -> None:
    expire(archive, LATER[2])


def erase_two(archive: Archive) -> None:
    erase(archive, wanted("file0", "part1"))


@pytest.mark.parametrize("kill_after", range(12))
@pytest.mark.parametrize(
    ("act", "left", "steps"),
    [(expire_two, {"file2", "file3", "part2", "part3", "also2", "also3"}, 8), (erase_two, None, 6)],
    ids=["old days", "videos"],
)
def test_a_kill_at_any_moment_is_made_good_by_the_next_run(
    archive: Archive, filled: MemoryProvider, act: Callable[[Archive], None], left: set[str] | None, steps: int,
    kill_after: int,
) -> None:  # fmt: skip
    left = left or {id_ for id_, _ in all_records(filled)} - {"file0", "part1"}
    filled.kill_after = kill_after
    try:
        act(archive)
    except Killed:
        pass
    else:
        assert kill_after >= steps
    filled.kill_after = None
    act(archive)
    assert {id_ for id_, _ in all_records(filled)} == left
    assert MARKER not in filled.files
    assert not in_history(filled, "file0", "part1")


def test_what_cannot_be_deleted_is_named_and_left_to_the_next_run(archive: Archive, filled: MemoryProvider) -> None:
    stuck = f"metadata/{DAY}/file0.json"
    filled.refused = {stuck}
    report = expire(archive, LATER[2])
    assert (report.days, report.left) == ((LATER[1],), (LATER[0],))
    assert (report.files, report.parts) == (1, 2)
    assert report.error == f"1 files could not be deleted, such as {stuck}: refused"
    filled.refused = set()
    assert expire(archive, LATER[2]).days == (LATER[0],)


def test_when_the_time_is_up_no_day_is_begun(archive: Archive, filled: MemoryProvider) -> None:
    report = expire(archive, LATER[2], deadline=time.monotonic() - 1)
    assert (report.days, report.left) == ((), tuple(LATER[:2]))
    assert report.error == "out of time: 2 days are left for the next run"
    assert archive.days() == LATER


def test_a_history_that_cannot_be_erased_is_an_error_until_it_is(
    archive: Archive, filled: MemoryProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(filled, "erase_history", Mock(side_effect=PermissionError("not yours")))
        with pytest.raises(ArchiveUnavailable, match=r"memory\): its history could not be erased: not yours"):
            expire(archive, LATER[2])
    assert filled.files[MARKER]
    assert expire(archive, LATER[2]).history_erased
    assert MARKER not in filled.files


async def test_expire_reports_what_went_wrong_and_never_raises(
    filled: MemoryProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "provider_from_settings", lambda: filled)
    monkeypatch.setattr(vault, "_current", None)
    filled.gone = True
    report = await vault.expire(LATER[2])
    assert report.error == "the archive cannot be read (memory): the place is gone"
    filled.gone = False
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


def test_a_video_goes_from_every_day_and_both_layouts_and_the_others_stay_as_they_are(
    archive: Archive, place: MemoryProvider
) -> None:
    put_files(place, record("a"), record("b"), record("a", LATER[1]))
    part = put_part(place, record("a", LATER[2]), record("b", LATER[2]), record("c", LATER[2]))
    put_part(place, record("a", LATER[3]))
    untouched = put_part(place, record("b", LATER[3]), token="ff")
    others = [each for each in decode_part(place.files[part]) if each.video_id != "a"]
    before, commits = contents(place), place.commits
    looked = search(archive, wanted("a", "nowhere"))
    assert (looked.files, looked.records, looked.video_ids) == (2, 2, {"a"})
    assert (contents(place), place.commits) == (before, commits)
    found = erase(archive, wanted("a"))
    assert (found.files, found.records, found.parts, found.video_ids) == (2, 2, 2, {"a"})
    assert (found.unsearched, found.failed) == ([], {})
    assert list(decode_part(place.files[part])) == others
    assert place.files[untouched] == before[untouched]
    assert set(place.files) == {f"metadata/{DAY}/b.json", part, untouched}
    assert not in_history(place, "a")
    assert search(archive, wanted("a")).video_ids == set()


def test_a_channel_goes_with_all_its_videos(archive: Archive, place: MemoryProvider) -> None:
    put_files(place, record("a", channel="UCgone"), record("b"))
    part = put_part(place, record("c", channel="UCgone"), record("d"))
    place.files[f"metadata/{DAY}/x.json"] = record("e").body  # under another name, but read for the channel
    found = erase(archive, wanted("e", channels=("UCgone",)))
    assert (found.files, found.records) == (2, 1)
    assert set(place.files) == {f"metadata/{DAY}/b.json", part}
    assert [each.video_id for each in decode_part(place.files[part])] == ["d"]


def test_since_a_day_nothing_older_is_looked_at(archive: Archive, place: MemoryProvider) -> None:
    put_files(place, record("a"), record("a", LATER[2]))
    assert erase(archive, wanted("a"), since=LATER[1]).files == 1
    assert list(place.files) == [f"metadata/{DAY}/a.json"]


def test_what_cannot_be_searched_or_changed_is_named_and_the_rest_is_erased(
    archive: Archive, place: MemoryProvider
) -> None:
    short = put_part(place, record("a"), token="2")
    place.files[short] = place.files[short][:-3]
    hidden = put_part(place, record("a", LATER[1]))
    place.unreadable = {hidden}
    damaged, fixed = f"metadata/{LATER[2]}/a.json", f"metadata/{LATER[3]}/a.json"
    put_files(place, record("a", LATER[3]))
    place.files[damaged] = b"{"  # of the video itself, by its name
    part = put_part(place, record("a", LATER[3]), record("b", LATER[3]))
    place.refused = {part, fixed}
    found = erase(archive, wanted("a"))
    assert found.failed == {part: "refused", fixed: "refused"}
    assert [(damage.path, damage.unread) for damage in found.unsearched] == [(short, False), (hidden, True)]
    assert str(found.unsearched[0]) == f"{short}: its end is missing"
    assert damaged not in place.files
    assert {short, hidden, part, fixed} <= set(place.files)
