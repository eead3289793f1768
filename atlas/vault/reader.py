"""Find one record in the archive."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from atlas.vault.layout import decode_part, is_part, newest, parts_folder
from atlas.vault.records import Record, record_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas.vault.providers.base import Provider

_ATTEMPTS = 3  # a compaction rarely moves a day's records


class _Moved(Exception):
    """A part was deleted since it was listed: a compaction moved its records."""


def load(provider: Provider, video_id: str, day: date) -> Record | None:
    """Return the record of a video and a day, in either layout; of several the one that was observed last.

    Reads all parts of the day.

    Raises:
        ValueError: the id cannot be a file name, or a part is damaged.
        OSError: the archive cannot be reached, or a file cannot be read.
    """
    if isinstance(day, datetime):
        day = day.date()
    for _ in range(_ATTEMPTS):
        try:
            return newest(_find(provider, video_id, day))
        except FileNotFoundError:  # there is no archive yet
            return None
        except _Moved:
            continue
    raise OSError(f"{parts_folder(day)} is being compacted; try again")


def _find(provider: Provider, video_id: str, day: date) -> Iterator[Record]:
    body = provider.read(record_path(video_id, day))
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
