"""Write records in a layout into a provider."""

from __future__ import annotations

import logging
import secrets
from collections import defaultdict
from typing import TYPE_CHECKING, Literal

from atlas.vault.layout import encode_part, files_folder, part_path
from atlas.vault.providers.base import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from atlas.vault.providers.base import Provider
    from atlas.vault.records import Record

logger = logging.getLogger(__name__)

Layout = Literal["files", "packed"]

FOLDER_SHARE = 0.9
"""Maximum fill of a day's folder; the rest is a margin for shards that write at the same time."""


class Writer:
    """Store records in a layout; a day whose folder is nearly full gets parts instead."""

    def __init__(self, provider: Provider, layout: Layout = "files") -> None:
        self._provider = provider
        self._layout = layout
        # Number of files in a day's folder: counted once, then updated with what is added here. If other shards add
        # more than the margin, the provider refuses and the day is counted again.
        self._files: dict[date, int] = {}
        self._announced: set[date] = set()

    def store(self, records: Sequence[Record], at: datetime, deadline: float) -> Mapping[str, str]:
        """Store all records in one commit, or in a second one as parts if a folder has no room for the files.

        Args:
            records: at most one for each video and day.
            deadline: in ``time.monotonic()`` seconds.

        Returns:
            record path → why it was not stored.

        Raises:
            Exception: nothing was stored.
        """
        days: dict[date, list[Record]] = defaultdict(list)
        for record in records:
            days[record.day].append(record)
        packed = {day for day, of_day in days.items() if self._is_packed(day, len(of_day))}
        try:
            return self._commit(days, packed, at, deadline)
        except Refused as error:
            if self._provider.folder_limit is None or packed == set(days):
                raise
            logger.warning("vault: the files were refused, and are packed instead: %s", error)
            for day in days:
                self._files.pop(day, None)
            return self._commit(days, set(days), at, deadline)

    def _is_packed(self, day: date, new: int) -> bool:
        limit = self._provider.folder_limit
        if self._layout == "packed" or limit is None:
            return self._layout == "packed"
        folder = files_folder(day)
        if day not in self._files:
            try:
                self._files[day] = sum(1 for _ in self._provider.list(folder))
            except FileNotFoundError:  # there is no archive yet
                self._files[day] = 0
        if self._files[day] + new <= limit * FOLDER_SHARE:
            return False
        if day not in self._announced:
            self._announced.add(day)
            logger.info("vault: %s has %d of at most %d files; its records are packed", folder, self._files[day], limit)
        return True

    def _commit(
        self, days: Mapping[date, Sequence[Record]], packed: set[date], at: datetime, deadline: float
    ) -> dict[str, str]:
        add: dict[str, bytes] = {}
        records: dict[str, Sequence[Record]] = {}
        for day, of_day in days.items():
            if day in packed:
                path = part_path(day, at, secrets.token_hex(4))
                add[path], records[path] = encode_part(of_day), of_day
            else:
                add.update((record.path, record.body) for record in of_day)
                records.update((record.path, [record]) for record in of_day)
        number = sum(map(len, records.values()))
        message = f"Archive {number} video{'' if number == 1 else 's'}"
        failed = self._provider.commit(add, (), message=message, deadline=deadline)
        for day, of_day in days.items():
            if day in self._files and day not in packed:
                self._files[day] += sum(record.path not in failed for record in of_day)
        return {record.path: reason for path, reason in failed.items() for record in records.get(path, ())}
