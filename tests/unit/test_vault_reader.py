"""Finding a record in an archive that holds both layouts."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from atlas.vault.layout import encode_part, part_path
from atlas.vault.providers.local import LocalProvider
from atlas.vault.reader import load
from atlas.vault.records import Record, encode, mark

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from atlas.vault.providers.base import ArchiveFile

DAY = date(2026, 11, 22)
AT = datetime(2026, 11, 22, 8, tzinfo=UTC)


def record(video_id: str, minutes: int, day: date = DAY) -> Record:
    return Record(video_id, day, encode(mark({"minutes": minutes}, AT + timedelta(minutes=minutes))))


def put(provider: LocalProvider, *records: Record, token: str = "") -> None:
    """As files, or with a token as a part."""
    files = {one.path: one.body for one in records}
    add = {part_path(DAY, AT, token): encode_part(records)} if token else files
    assert not provider.commit(add, (), message="", deadline=time.monotonic() + 30)


@pytest.fixture
def provider(tmp_path: Path) -> LocalProvider:
    return LocalProvider(tmp_path)


@pytest.mark.parametrize("token", ["", "aa"])
def test_a_record_is_found_in_either_layout(provider: LocalProvider, token: str) -> None:
    put(provider, one := record("aaaaaaaaaaa", 1), record("bbbbbbbbbbb", 2), token=token)
    assert load(provider, "aaaaaaaaaaa", DAY) == one
    assert load(provider, "aaaaaaaaaaa", AT) == one
    assert load(provider, "ccccccccccc", DAY) is None
    assert load(provider, "aaaaaaaaaaa", DAY - timedelta(days=1)) is None
    assert not provider.commit(
        {part_path(DAY, AT, "bb"): encode_part([record("ddddddddddd", 1, DAY + timedelta(days=1))])}, (), message="",
        deadline=time.monotonic() + 30,
    )  # fmt: skip
    assert load(provider, "ddddddddddd", DAY) is None, "a record of another day in a part is not this day's"


def test_the_last_observation_counts_in_whichever_layout_it_is(provider: LocalProvider) -> None:
    put(provider, record("aaaaaaaaaaa", 2), late := record("bbbbbbbbbbb", 3))
    put(provider, last := record("aaaaaaaaaaa", 5), record("bbbbbbbbbbb", 1), token="aa")
    put(provider, record("aaaaaaaaaaa", 4), token="bb")
    assert load(provider, "aaaaaaaaaaa", DAY) == last
    assert load(provider, "bbbbbbbbbbb", DAY) == late


def test_what_is_no_part_is_passed_over_and_a_damaged_part_is_named(provider: LocalProvider) -> None:
    put(provider, one := record("aaaaaaaaaaa", 1))
    notes, damaged = "packed/2026-11-22/notes.txt", part_path(DAY, AT, "aa")
    provider.commit({notes: b"mine"}, (), message="", deadline=time.monotonic() + 30)
    assert load(provider, "aaaaaaaaaaa", DAY) == one
    provider.commit({damaged: b"half"}, (), message="", deadline=time.monotonic() + 30)
    with pytest.raises(ValueError, match=f"{damaged} is damaged"):
        load(provider, "aaaaaaaaaaa", DAY)


def test_an_id_that_is_none_is_refused(provider: LocalProvider) -> None:
    with pytest.raises(ValueError, match="not a video id"):
        load(provider, "../x", DAY)


class Moving(LocalProvider):
    """Packs its parts anew while it is read, so many times."""

    moves = 1

    def list(self, folder: str) -> Iterator[ArchiveFile]:
        for entry in list(super().list(folder)):
            if self.moves:
                self.moves -= 1
                body = self.read(entry.path)
                assert body is not None
                moved = {part_path(DAY, AT, f"moved{self.moves}"): body}
                self.commit(moved, [entry.path], message="", deadline=time.monotonic() + 30)
            yield entry


@pytest.mark.parametrize("moves", [1, 100])
def test_records_that_are_packed_anew_are_found_once_they_stay(tmp_path: Path, moves: int) -> None:
    provider = Moving(tmp_path)
    provider.moves = moves
    put(provider, one := record("aaaaaaaaaaa", 1), token="aa")
    if moves == 1:
        assert load(provider, "aaaaaaaaaaa", DAY) == one
        assert provider.moves == 0
    else:
        with pytest.raises(OSError, match="packed/2026-11-22"):
            load(provider, "aaaaaaaaaaa", DAY)


def test_a_place_that_is_missing_as_a_whole_holds_none(
    provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "list", Mock(side_effect=FileNotFoundError))
    assert load(provider, "aaaaaaaaaaa", DAY) is None
