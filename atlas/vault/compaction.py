"""Pack a day: its single files and its small parts become a few large parts.

Each commit adds one part and deletes its sources, so a kill at any moment loses nothing: at worst both exist, which
reads the same, and the next run finishes. Memory use is one part's records.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from atlas.clock import clock
from atlas.vault.archive import Damage, Stored, records_in
from atlas.vault.layout import encode_part, is_part, part_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date, datetime

    from atlas.vault.archive import Archive
    from atlas.vault.providers.base import ArchiveFile

PART_BYTES = 64 * 1024 * 1024
"""Maximum bytes of a part's records before compression."""

SMALL_PART = PART_BYTES // 16
"""A part below this (compressed, bytes) is packed with others: records shrink to about an eighth of their size."""


@dataclass(slots=True)
class Compacted:
    """The result of packing a day.

    Attributes:
        files: single records that are packed now.
        parts: small parts that are packed with others now.
        made: new parts.
        records: in the new parts.
        failed: path → why it could not be written or deleted; the next run continues.
    """

    files: int = 0
    parts: int = 0
    made: int = 0
    records: int = 0
    damaged: list[Damage] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def compact(archive: Archive, day: date, progress: Callable[[int, int], None] = lambda *_: None) -> Compacted:
    """Pack one day, to which no shard writes any more: otherwise a replaced record might be lost.

    Of several records of a video only the one that was observed last stays. What is damaged, or changes while the day
    is read, stays as it is.

    Args:
        progress: called with how many of the day's files and parts are read, and how many there are.
    """
    return _Compaction(archive, day).run(progress)


class _Compaction:
    def __init__(self, archive: Archive, day: date) -> None:
        self._archive = archive
        self._day = day
        self._done = Compacted()
        # records in large parts, which are not packed again: a killed run may have left both
        self._packed: dict[str, datetime] = {}
        self._start_part()

    def _start_part(self) -> None:
        """Begin a new part: of each video the record that was observed last, and the files that they come from."""
        self._records: dict[str, Stored] = {}
        self._sources: list[ArchiveFile] = []
        self._size = 0
        self._drops_records = False

    def run(self, progress: Callable[[int, int], None]) -> Compacted:
        contents = self._archive.contents(self._day)
        self._done.damaged.extend(self._archive.skipped(self._day))
        small = [entry for entry in contents.parts if entry.size < SMALL_PART]
        if not contents.files and len(small) < 2:
            return self._done
        large = [entry for entry in contents.parts if entry.size >= SMALL_PART]
        entries = (*large, *small, *contents.files)
        for number, (entry, body) in enumerate(self._archive.read(entries), 1):
            progress(number, len(entries))
            if body is not None:  # None: deleted meanwhile
                self._add(entry, body)
        self._finish_part()
        return self._done

    def _add(self, entry: ArchiveFile, body: bytes | OSError) -> None:
        records: list[Stored] = []
        damaged = len(self._done.damaged)
        size, large = 0, is_part(entry.path) and entry.size >= SMALL_PART
        for item in records_in(entry.path, body):
            if isinstance(item, Damage):
                self._done.damaged.append(item)
                continue
            records.append(item)
            size += len(item.record.body)
            if large or size > PART_BYTES:  # a small part whose records compress very well is a large one too
                large = True
                self._remember(records)
                records.clear()
        if large or len(self._done.damaged) > damaged:
            return
        size = sum(len(stored.record.body) for stored in records if not self._is_packed(stored))
        if self._size and self._size + size > PART_BYTES:
            self._finish_part()
        self._size += size
        self._sources.append(entry)
        for stored in records:
            known = self._records.get(stored.record.video_id)
            if self._is_packed(stored) or (known is not None and known.at > stored.at):
                self._drops_records = True
                continue
            self._drops_records |= known is not None
            self._records[stored.record.video_id] = stored

    def _is_packed(self, stored: Stored) -> bool:
        """Whether a large part contains this record already, or a later one."""
        known = self._packed.get(stored.record.video_id)
        return known is not None and known >= stored.at

    def _remember(self, records: Iterable[Stored]) -> None:
        self._packed.update((each.record.video_id, each.at) for each in records if not self._is_packed(each))

    def _finish_part(self) -> None:
        paths = [entry.path for entry in self._sources]
        if len(paths) == 1 and is_part(paths[0]) and not self._drops_records:
            self._remember(self._records.values())
        elif changed := self._changed():
            self._done.failed.update(dict.fromkeys(changed, "it changed while it was read"))
        elif paths:
            self._commit(paths)
        self._start_part()

    def _commit(self, paths: list[str]) -> None:
        add: dict[str, bytes] = {}
        if self._records:
            in_order = [self._records[video_id].record for video_id in sorted(self._records)]
            add[part_path(self._day, clock.now(), secrets.token_hex(4))] = encode_part(in_order)
        failed = self._archive.commit(add, paths, f"Pack {len(paths)} files of {self._day}")
        done = self._done
        done.failed.update(failed)
        if set(add) & set(failed):
            return
        self._remember(self._records.values())
        deleted = [path for path in paths if path not in failed]
        done.parts += sum(map(is_part, deleted))
        done.files += sum(not is_part(path) for path in deleted)
        done.made += len(add)
        done.records += len(self._records)

    def _changed(self) -> list[str]:
        """Return the sources that another command or a shard has changed since they were listed."""
        if not self._sources:
            return []
        now = self._archive.contents(self._day)
        sizes = {entry.path: entry.size for entry in (*now.files, *now.parts)}
        return [entry.path for entry in self._sources if sizes.get(entry.path) != entry.size]
