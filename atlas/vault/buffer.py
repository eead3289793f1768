"""The vault: what agents hand over is buffered and stored at an explicit flush, which never fails them."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from atlas.background import call_in_background
from atlas.clock import clock
from atlas.redaction import one_line
from atlas.vault.reader import load
from atlas.vault.records import EncodingError, Record, check_video_id, decode, encode, mark
from atlas.vault.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from atlas.vault.providers.base import Provider
    from atlas.vault.writer import Layout

__all__ = ["FLUSH_DUE_BYTES", "FLUSH_DUE_RECORDS", "FLUSH_SECONDS", "FlushReport", "Vault"]

logger = logging.getLogger(__name__)

# One commit of so many is well within the Hub's 60 s and a gigabyte, and the buffer within a small runner's memory.
FLUSH_DUE_RECORDS = 5_000
FLUSH_DUE_BYTES = 64 * 1024 * 1024
FLUSH_SECONDS = 60.0
WRITABLE_SECONDS = 15.0
# A provider that minds its deadline can still say what it stored; only one that hangs is left behind.
_PROVIDERS_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class FlushReport:
    """What became of the records of one flush.

    Attributes:
        stored: ids of videos all of whose records are in the archive now: these may get their ``archived_at``.
        failed: ids of the others; they are not kept in memory, their ``archived_at`` stays NULL and a later run
            archives them.
        error: one line about the failures, without any secret, or None.
    """

    stored: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    error: str | None = None


class Vault:
    """Buffers records for one provider. To be used from one event loop's thread.

    Args:
        provider: where they go.
        layout: how they lie there, ``files`` or ``packed``.
        now: the time whose UTC date names the folder; the schedule clock unless given.
        flush_seconds: the longest that a flush may take (real seconds).
    """

    def __init__(
        self,
        provider: Provider,
        layout: Layout = "files",
        *,
        now: Callable[[], datetime] | None = None,
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        self.provider = provider
        self._writer = Writer(provider, layout)
        self._now = now or clock.now
        self._flush_seconds = flush_seconds
        self._records: dict[str, Record] = {}
        self._bytes = 0
        self._refused: dict[str, str] = {}
        self._said_due = False
        self._asked_writable = False

    @property
    def enabled(self) -> bool:
        """False where nothing is archived (VAULT_PROVIDER=off)."""
        return self.provider.enabled

    @property
    def flush_due(self) -> bool:
        """True once the buffer holds 5,000 records or 64 MiB: flush before going on."""
        return len(self._records) >= FLUSH_DUE_RECORDS or self._bytes >= FLUSH_DUE_BYTES

    def check(self) -> None:
        """Raises ConfigError where nothing could ever be stored. No network."""
        self.provider.check()

    async def check_writable(self) -> None:
        """Raises ConfigError where the place refuses for good to be written; asks it once.

        Where it is not known, as of a place that gives no answer, a warning says so: an archive that is away for a
        while must not stop an agent.
        """
        self.check()
        if self._asked_writable:
            return
        try:
            await call_in_background(self.provider.check_writable, seconds=WRITABLE_SECONDS, name="vault-check")
        except (OSError, TimeoutError) as error:
            reason = f"no answer within {WRITABLE_SECONDS:g} s" if isinstance(error, TimeoutError) else one_line(error)
            logger.warning("vault: it is not known whether the archive can be written: %s", reason)
        self._asked_writable = True

    def pending(self) -> int:
        """The number of records that wait for a flush."""
        return len(self._records)

    def store_metadata(
        self,
        video_id: str,
        api_response: Mapping[str, Any],
        *,
        refetched: bool = False,
        observed_at: datetime | None = None,
    ) -> None:
        """Takes a record of today (UTC); the next flush stores it.

        It is written out here, so later changes of the mapping do not count. A second one of the same video and day
        replaces the first. One that cannot be written as JSON is logged and reported as failed by the next flush.
        Nothing is ever dropped for want of room; see ``flush_due``.

        Its last top-level key is the vault's own:
        ``"_maia": {"observed_at": "2026-11-22T08:00:00.123456Z", "refetched_at": "2026-11-22T08:00:00Z"}``.

        Args:
            video_id: YouTube's id.
            api_response: the API's answer about the video, any mapping that can be JSON; kept field by field.
            refetched: it was asked for again since the first answer was not archived; the record then says when.
            observed_at: when its counts were observed (schedule clock), as the database has it; now unless given.

        Raises:
            ValueError: the id has something else than 1 to 64 letters, digits, dashes and underscores.
        """
        check_video_id(video_id)
        if not self.enabled:
            return
        now = self._now()
        try:
            body = encode(mark(api_response, observed_at or now, now if refetched else None))
        except EncodingError as error:
            logger.warning("vault: the metadata of video %s cannot be archived: %s", video_id, error)
            self._refused[video_id] = str(error)
            return
        self._refused.pop(video_id, None)
        record = Record(video_id, now.astimezone(UTC).date(), body)
        replaced = self._records.pop(record.path, None)
        self._records[record.path] = record
        self._bytes += len(body) - (len(replaced.body) if replaced else 0)
        if self.flush_due and not self._said_due:
            self._said_due = True
            logger.warning(
                "vault: %d records (%.0f MiB) are buffered; a flush is due", len(self._records), self._bytes / 2**20
            )

    async def flush(self, seconds: float | None = None) -> FlushReport:
        """Stores what is buffered. What the provider suffers is never raised: it is logged as a warning and reported.

        What is handed over while it runs belongs to the next flush.

        Args:
            seconds: the longest that it may take, if less than usual.
        """
        records, refused = tuple(self._records.values()), self._refused
        self._records, self._refused, self._bytes, self._said_due = {}, {}, 0, False
        if not records and not refused:
            return FlushReport()
        seconds = self._flush_seconds if seconds is None else min(seconds, self._flush_seconds)
        reasons = await self._store(records, seconds) if records else {}
        failed = dict.fromkeys([record.video_id for record in records if record.path in reasons] + list(refused))
        stored = dict.fromkeys(record.video_id for record in records if record.video_id not in failed)
        error = None
        if failed:
            reason = next(iter((reasons or refused).values()))
            count = f"{len(failed)} of {len(failed) + len(stored)} videos"
            error = f"{count} were not archived ({self.provider.name}): {reason.removesuffix('.')}."
            logger.warning("vault: %s A later run archives them.", error)
        return FlushReport(tuple(stored), tuple(failed), error)

    def load_metadata(self, video_id: str, day: date) -> dict[str, Any] | None:
        """A record that was stored, in whichever layout, or None where there is none.

        Blocks; what is only buffered is not found. Of several the one that was observed last. All parts of the day are
        read: for many records see ``atlas.vault.archive``.

        Raises:
            ValueError: the id is none, the stored record is no JSON object, or a part of the day is damaged.
            OSError: it is there and cannot be read, or the archive cannot be reached.
        """
        record = load(self.provider, video_id, day)
        return None if record is None else decode(record.body)

    async def _store(self, records: tuple[Record, ...], seconds: float) -> Mapping[str, str]:
        """What failed, by path."""
        at, deadline = self._now(), time.monotonic() + seconds * _PROVIDERS_SHARE
        try:
            return await call_in_background(
                lambda: self._writer.store(records, at, deadline),
                seconds=seconds,
                name="vault-flush",
            )
        except TimeoutError:
            reason = f"no answer within {seconds:g} s"
        except Exception as error:  # noqa: BLE001  an archive that fails must not fail the agent
            reason = one_line(error)
        return dict.fromkeys((record.path for record in records), reason)
