"""Packing a day: its single files and its small parts become a few large parts.

Each commit adds one part and deletes what it was made of, so a kill at any moment loses nothing: at worst both are
there, which reads the same, and the next run ends with one. Memory holds one part's records.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from atlas.clock import clock
from atlas.errors import ArchiveRefused, ArchiveUnavailable
from atlas.redaction import one_line
from atlas.vault.archive import Damage, Stored, found
from atlas.vault.layout import encode_part, is_part, part_path
from atlas.vault.providers.base import Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from atlas.vault.archive import Archive
    from atlas.vault.providers.base import Entry

__all__ = ["PART_BYTES", "Compacted", "compact"]

PART_BYTES = 64 * 1024 * 1024
"""Of a part's records, before they are compressed."""

SMALL_PART = PART_BYTES // 16
"""A part below this (compressed, bytes) is packed with others: records shrink to about an eighth of their size."""

COMMIT_SECONDS = 600.0


@dataclass(slots=True)
class Compacted:
    """What became of a day.

    Attributes:
        day: it.
        files: single records that are packed now.
        parts: small parts that are packed with others now.
        made: new parts.
        records: in the new parts.
        damaged: what could not be read, and was left where it is.
        failed: what could not be written or deleted, by path, with the reason; the next run goes on with it.
    """

    day: date
    files: int = 0
    parts: int = 0
    made: int = 0
    records: int = 0
    damaged: list[Damage] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    """What goes into one new part: of each video the record that was observed last, and where they all came from."""

    records: dict[str, Stored] = field(default_factory=dict)
    sources: list[Entry] = field(default_factory=list)
    size: int = 0
    dropped: bool = False


def compact(archive: Archive, day: date, progress: Callable[[int, int], None] | None = None) -> Compacted:
    """Packs one day. A day that nobody writes to any more: a record that is replaced meanwhile might be lost.

    Of several records of a video the one that was observed last stays. What is damaged stays where it is, and so does
    what changed while the day was read.

    Args:
        archive: the archive.
        day: which one.
        progress: called with how many of the day's files and parts are read, and how many there are.

    Raises:
        ArchiveUnavailable: the place cannot be reached.
    """
    done = Compacted(day)
    contents = archive.contents(day)
    done.damaged.extend(archive.skipped(day))
    small = [entry for entry in contents.parts if entry.size < SMALL_PART]
    if not contents.files and len(small) < 2:
        return done
    # what the large parts hold already need not be packed again: a killed run may have left both
    packed: dict[str, datetime] = {}
    sources = (*(entry for entry in contents.parts if entry.size >= SMALL_PART), *small, *contents.files)
    group = _Group()
    for number, (entry, body) in enumerate(archive.read(sources), 1):
        if progress:
            progress(number, len(sources))
        if body is None:
            continue  # gone meanwhile
        records: list[Stored] = []
        damaged = len(done.damaged)
        size, large = 0, is_part(entry.path) and entry.size >= SMALL_PART
        for item in found(entry.path, body):
            if isinstance(item, Damage):
                done.damaged.append(item)
                continue
            records.append(item)
            size += len(item.record.body)
            if large or size > PART_BYTES:  # a part whose records compress so well is a large one too
                large = True
                for stored in records:
                    _keep_latest(packed, stored)
                records.clear()
        if large or len(done.damaged) > damaged:
            continue
        size = sum(len(stored.record.body) for stored in records if not _packed(packed, stored))
        if group.size and group.size + size > PART_BYTES:
            _pack(archive, group, packed, done)
            group = _Group()
        _take(group, entry, records, packed)
        group.size += size
    _pack(archive, group, packed, done)
    return done


def _packed(packed: dict[str, datetime], stored: Stored) -> bool:
    """Whether a part holds this record already, or a later one."""
    known = packed.get(stored.record.video_id)
    return known is not None and known >= stored.at


def _keep_latest(packed: dict[str, datetime], stored: Stored) -> None:
    if not _packed(packed, stored):
        packed[stored.record.video_id] = stored.at


def _take(group: _Group, entry: Entry, records: list[Stored], packed: dict[str, datetime]) -> None:
    group.sources.append(entry)
    for stored in records:
        video_id = stored.record.video_id
        known = group.records.get(video_id)
        if _packed(packed, stored) or (known is not None and known.at > stored.at):
            group.dropped = True
            continue
        group.dropped |= known is not None
        group.records[video_id] = stored


def _pack(archive: Archive, group: _Group, packed: dict[str, datetime], done: Compacted) -> None:
    """Commits one new part in place of what it is made of."""
    paths = [entry.path for entry in group.sources]
    if not paths:
        return
    if len(paths) == 1 and is_part(paths[0]) and not group.dropped:
        for stored in group.records.values():
            _keep_latest(packed, stored)
        return
    changed = _changed(archive, group, done.day)
    if changed:
        done.failed.update(dict.fromkeys(changed, "it changed while it was read"))
        return
    add: dict[str, bytes] = {}
    if group.records:
        in_order = [group.records[video_id].record for video_id in sorted(group.records)]
        add[part_path(done.day, clock.now(), secrets.token_hex(4))] = encode_part(in_order)
    try:
        failed = archive.provider.commit(
            add, paths, message=f"Pack {len(paths)} files of {done.day}", deadline=time.monotonic() + COMMIT_SECONDS
        )
    except Exception as error:  # noqa: BLE001  whatever a foreign library raises: nothing was done
        text = f"the archive ({archive.provider.name}) did not take a part: {one_line(error)}"
        raise (ArchiveRefused if isinstance(error, Refused) else ArchiveUnavailable)(text) from None
    done.failed.update(failed)
    if set(add) & set(failed):
        return
    for stored in group.records.values():
        _keep_latest(packed, stored)
    gone = [path for path in paths if path not in failed]
    done.parts += sum(map(is_part, gone))
    done.files += sum(not is_part(path) for path in gone)
    done.made += len(add)
    done.records += len(group.records)


def _changed(archive: Archive, group: _Group, day: date) -> list[str]:
    """What is not as it was listed: another command packs, rewrites or deletes it, or a shard replaces a record."""
    now = archive.contents(day)
    sizes = {entry.path: entry.size for entry in (*now.files, *now.parts)}
    return [entry.path for entry in group.sources if sizes.get(entry.path) != entry.size]
