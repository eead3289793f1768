"""The archive of YouTube's answers.

::

    from atlas import vault

    await vault.check_writable()                         at the start: ConfigError if nothing could be stored
    vault.store_metadata(video_id, api_response)         buffers
    report = await vault.flush()                         stores; a failing archive is reported, never raised
    vault.load_metadata(video_id, date)                  reads one back, blocking

``VAULT_PROVIDER`` is the place: ``local`` (a folder), ``huggingface`` (a dataset on the Hub, one commit per flush),
``fsspec`` (an S3-compatible bucket and much else) or ``off``. ``VAULT_LAYOUT`` is the format: ``files``
(``metadata/{YYYY-MM-DD}/{video_id}.json``) or ``packed`` (one part per flush). Both can be read.

The archive never blocks an agent. Records that a flush reports as failed are not kept in memory: their ``archived_at``
stays NULL, and a later run asks for them again.

The functions here use one ``Vault`` made from the settings, and a new one when they change. Importing does no I/O.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

from atlas.background import call_in_background
from atlas.config import settings
from atlas.errors import ArchiveUnavailable
from atlas.vault.buffer import FlushReport, Vault
from atlas.vault.factory import provider_from_settings, provider_settings
from atlas.vault.providers.base import Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date, datetime

    from atlas.vault.erasure import Erased
    from atlas.vault.expiry import ArchiveOutlook, ExpireReport

    enabled: bool
    """False for VAULT_PROVIDER=off."""
    flush_due: bool
    """True once the buffer holds 5,000 records or 64 MiB."""

__all__ = [
    "FlushReport", "Provider", "Vault", "check", "check_writable", "erase", "expire", "flush", "load_metadata",
    "outlook", "pending", "store_metadata",
]  # fmt: skip

logger = logging.getLogger(__name__)

T = TypeVar("T")

_current: tuple[tuple[object, ...], Vault] | None = None


def _vault() -> Vault:
    global _current  # noqa: PLW0603  the one of this process
    wanted = provider_settings()
    if _current is None or _current[0] != wanted:
        new = Vault(provider_from_settings(), settings.vault_layout)
        if _current is not None and (lost := _current[1].pending()):
            logger.warning("vault: its settings changed; %d buffered records are left to a later run", lost)
        _current = wanted, new
    return _current[1]


def check() -> None:
    """Raise ConfigError for a setting that is missing or wrong. No network."""
    _vault().check()


async def check_writable() -> None:
    """Raise ConfigError also if the archive cannot be written. See ``Vault.check_writable``."""
    await _vault().check_writable()


def store_metadata(
    video_id: str,
    api_response: Mapping[str, Any],
    *,
    refetched: bool = False,
    observed_at: datetime | None = None,
) -> None:
    """Buffer one record, under today's date (UTC). See ``Vault.store_metadata``. Raises ValueError, ConfigError."""
    _vault().store_metadata(video_id, api_response, refetched=refetched, observed_at=observed_at)


async def flush(seconds: float | None = None) -> FlushReport:
    """Store the buffer, within 60 s or fewer. See ``Vault.flush``. Raises ConfigError only."""
    return await _vault().flush(seconds)


def pending() -> int:
    """Return the number of buffered records."""
    return _vault().pending()


def load_metadata(video_id: str, day: date) -> dict[str, Any] | None:
    """Return a stored record, or None. See ``Vault.load_metadata``."""
    return _vault().load_metadata(video_id, day)


async def outlook(before: date, *, share: float, counted: int, seconds: float = 600.0) -> ArchiveOutlook:
    """Return what ``expire`` would delete; see ``atlas.vault.expiry.look``. Raises ArchiveUnavailable, ConfigError."""
    from atlas.vault.archive import Archive  # noqa: PLC0415  agents, which only add records, do not import it
    from atlas.vault.expiry import ArchiveOutlook, look  # noqa: PLC0415

    archive = Archive(_vault().provider)
    if not archive.provider.enabled:
        return ArchiveOutlook()
    return await _within(seconds, lambda: look(archive, before, share=share, counted=counted), "vault-outlook")


async def expire(before: date, *, dry_run: bool = False, seconds: float = 600.0) -> ExpireReport:
    """Delete the days of the archive before a day (UTC), and erase its history. Raises ConfigError only.

    The report's ``error`` says what failed; the next call continues.

    Args:
        before: the first day that stays.
        seconds: start no day after this time (real seconds).
    """
    from atlas.vault import expiry  # noqa: PLC0415  as in outlook
    from atlas.vault.archive import COMMIT_SECONDS, Archive  # noqa: PLC0415

    archive = Archive(_vault().provider)
    if not archive.provider.enabled:
        return expiry.ExpireReport()
    deadline = time.monotonic() + seconds
    try:
        return await _within(
            seconds + COMMIT_SECONDS,
            lambda: expiry.expire(archive, before, dry_run=dry_run, deadline=deadline),
            "vault-expire",
        )
    except ArchiveUnavailable as error:
        return expiry.ExpireReport(error=str(error))


async def erase(video_ids: Iterable[str], *, since: date | None = None, seconds: float = 600.0) -> Erased:
    """Delete every record of these videos since a day, and erase the archive's history; the next call continues.

    Raises ArchiveUnavailable (also where it does not answer within these real seconds) and ConfigError.
    """
    from atlas.vault import erasure  # noqa: PLC0415  as in outlook
    from atlas.vault.archive import Archive  # noqa: PLC0415

    archive, selection = Archive(_vault().provider), erasure.Selection(frozenset(video_ids))
    if not archive.provider.enabled:
        return erasure.Erased()
    return await _within(seconds, lambda: erasure.erase(archive, selection, since=since), "vault-erase")


async def _within(seconds: float, work: Callable[[], T], name: str) -> T:
    try:
        return await call_in_background(work, seconds=seconds, name=name)
    except TimeoutError:
        raise ArchiveUnavailable(f"the archive gave no answer within {seconds:g} s") from None


if not TYPE_CHECKING:  # or a type checker would take any misspelt name for an attribute

    def __getattr__(name: str) -> Any:
        if name in {"enabled", "flush_due"}:
            return getattr(_vault(), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
