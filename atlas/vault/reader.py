"""Finding one record in the archive."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from atlas.vault.layout import decode_part, is_part, newest, parts_folder
from atlas.vault.records import Record, record_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas.vault.providers.base import Provider

__all__ = ["load"]


_LOOKS = 3  # a compaction moves a day's records into another part at most once in a while


def load(provider: Provider, video_id: str, day: date) -> Record | None:
    """The record of a video and a day, in whichever layout; of several the one that was observed last.

    All parts of the day are read, and none of them is kept.

    Raises:
        ValueError: the id is none, or a part is damaged.
        OSError: the place cannot be reached, or a file cannot be read.
    """
    if isinstance(day, datetime):
        day = day.date()
    for _ in range(_LOOKS):
        try:
            return newest(_found(provider, video_id, day))
        except FileNotFoundError:  # the whole place is missing
            return None
        except _Moved:
            continue
    raise OSError(f"{parts_folder(day)} is being packed anew; look again")


class _Moved(Exception):
    """A part is gone since it was listed: its records are in another one now."""


def _found(provider: Provider, video_id: str, day: date) -> Iterator[Record]:
    path = record_path(video_id, day)
    body = provider.read(path)
    if body is not None:
        yield Record(video_id, day, body)
    for entry in provider.list(parts_folder(day)):
        if is_part(entry.path):
            part = provider.read(entry.path)
            if part is None:
                raise _Moved
            for record in decode_part(part, entry.path):
                if record.video_id == video_id and record.day == day:
                    yield record
