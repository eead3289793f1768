"""The vault: buffer records, and store them at an explicit flush, which never fails an agent."""

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

logger = logging.getLogger(__name__)

# One commit of this size stays well within the Hub's 60 s and a gigabyte, the buffer within a small runner's memory.
FLUSH_DUE_RECORDS = 5_000
FLUSH_DUE_BYTES = 64 * 1024 * 1024
FLUSH_SECONDS = 60.0
WRITABLE_SECONDS = 15.0
# A provider that respects its deadline can still say what it stored; only one that hangs is abandoned.
_PROVIDERS_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class FlushReport:
    """The result of one flush.

    Attributes:
        stored: ids of videos all of whose records are archived now: these may get their ``archived_at``.
        failed: ids of the others; their ``archived_at`` stays NULL and a later run archives them.
        error: one line about the failures, without any secret, or None.
    """

    stored: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    error: str | None = None


class Vault:
    """Buffer records for one provider. Use it from one event loop's thread.

    Args:
        now: the time whose UTC date names the folder; the schedule clock by default.
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
        self._unencodable: dict[str, str] = {}
        self._warned = False
        self._checked_writable = False

    @property
    def enabled(self) -> bool:
        """False if nothing is archived (VAULT_PROVIDER=off)."""
        return self.provider.enabled

    @property
    def flush_due(self) -> bool:
        """True once the buffer holds 5,000 records or 64 MiB: flush before continuing."""
        return len(self._records) >= FLUSH_DUE_RECORDS or self._bytes >= FLUSH_DUE_BYTES

    def check(self) -> None:
        """Raise ConfigError if nothing could ever be stored. No network."""
        self.provider.check()

    async def check_writable(self) -> None:
        """Raise ConfigError if the archive cannot be written; checked once.

        If it does not answer, log a warning: a temporary failure must not stop an agent.
        """
        self.check()
        if self._checked_writable:
            return
        try:
            await call_in_background(self.provider.check_writable, seconds=WRITABLE_SECONDS, name="vault-check")
        except (OSError, TimeoutError) as error:
            reason = f"no answer within {WRITABLE_SECONDS:g} s" if isinstance(error, TimeoutError) else one_line(error)
            logger.warning("vault: cannot check whether the archive can be written: %s", reason)
        self._checked_writable = True

    def pending(self) -> int:
        return len(self._records)

    def store_metadata(
        self,
        video_id: str,
        api_response: Mapping[str, Any],
        *,
        refetched: bool = False,
        observed_at: datetime | None = None,
    ) -> None:
        """Encode and buffer a record of today (UTC); it replaces one of the same video and day.

        One that cannot be written as JSON is logged and reported as failed by the next flush. The buffer has no limit;
        see ``flush_due``. The record's last top-level key is the vault's own; see ``mark``.

        Args:
            refetched: it was read again because the first answer was not archived.
            observed_at: when its counts were observed (schedule clock), as the database has it; now by default.

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
            self._unencodable[video_id] = str(error)
            return
        self._unencodable.pop(video_id, None)
        record = Record(video_id, now.astimezone(UTC).date(), body)
        replaced = self._records.pop(record.path, None)
        self._records[record.path] = record
        self._bytes += len(body) - (len(replaced.body) if replaced else 0)
        if self.flush_due and not self._warned:
            self._warned = True
            logger.warning(
                "vault: %d records (%.0f MiB) are buffered; a flush is due", len(self._records), self._bytes / 2**20
            )

    async def flush(self, seconds: float | None = None) -> FlushReport:
        """Store the buffer within these seconds, if fewer than usual. A failing archive is reported, never raised."""
        records, unencodable = tuple(self._records.values()), self._unencodable
        self._records, self._unencodable, self._bytes, self._warned = {}, {}, 0, False
        if not records and not unencodable:
            return FlushReport()
        seconds = self._flush_seconds if seconds is None else min(seconds, self._flush_seconds)
        reasons = await self._store(records, seconds) if records else {}
        failed = dict.fromkeys([record.video_id for record in records if record.path in reasons] + list(unencodable))
        stored = dict.fromkeys(record.video_id for record in records if record.video_id not in failed)
        error = None
        if failed:
            reason = next(iter((reasons or unencodable).values()))
            count = f"{len(failed)} of {len(failed) + len(stored)} videos"
            error = f"{count} were not archived ({self.provider.name}): {reason.removesuffix('.')}."
            logger.warning("vault: %s A later run archives them.", error)
        return FlushReport(tuple(stored), tuple(failed), error)

    async def _store(self, records: tuple[Record, ...], seconds: float) -> Mapping[str, str]:
        at, deadline = self._now(), time.monotonic() + seconds * _PROVIDERS_SHARE
        try:
            return await call_in_background(
                lambda: self._writer.store(records, at, deadline), seconds=seconds, name="vault-flush"
            )
        except TimeoutError:
            reason = f"no answer within {seconds:g} s"
        except Exception as error:  # noqa: BLE001  an archive that fails must not fail the agent
            reason = one_line(error)
        return dict.fromkeys((record.path for record in records), reason)

    def load_metadata(self, video_id: str, day: date) -> dict[str, Any] | None:
        """Return a stored record, in either layout, or None. Blocks; does not find what is only buffered.

        Of several records it returns the one that was observed last. Reads all parts of the day: for many records see
        ``atlas.vault.archive``.

        Raises:
            ValueError: the id cannot be a file name, the record is no JSON object, or a part of the day is damaged.
            OSError: the archive cannot be reached, or a file cannot be read.
        """
        record = load(self.provider, video_id, day)
        return None if record is None else decode(record.body)
