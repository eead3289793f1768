"""The cold archive of what YouTube answered.

::

    from atlas import vault

    await vault.check_writable()                         at the start: ConfigError if nothing could be stored
    vault.store_metadata(video_id, api_response)         buffers
    report = await vault.flush()                         stores; never raises for what the archive suffers
    vault.load_metadata(video_id, date)                  reads one back, blocking

``VAULT_PROVIDER`` says where: ``local`` (a folder), ``huggingface`` (a dataset on the Hub, one commit per flush),
``fsspec`` (an S3-compatible bucket and much else) or ``off``. ``VAULT_LAYOUT`` says how: ``files``
(``metadata/{YYYY-MM-DD}/{video_id}.json``) or ``packed`` (one part for all of a flush). Both are read.

The archive never blocks an agent. What a flush reports as failed is not kept in memory: the database's ``archived_at``
says what is still to be archived, and a later run asks for it again.

The functions here use one ``Vault``, made from the settings at first use, and anew when they change. Importing does no
I/O.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from atlas.background import call_in_background
from atlas.config import settings
from atlas.errors import ArchiveUnavailable
from atlas.vault.buffer import FlushReport, Vault
from atlas.vault.factory import chosen, provider_from_settings
from atlas.vault.providers.base import Provider

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, datetime

    from atlas.vault.deletion import ExpireReport
    from atlas.vault.erasure import Forgotten
    from atlas.vault.expiry import ArchiveOutlook

    enabled: bool
    """False for VAULT_PROVIDER=off: nothing is archived, nothing needs to be asked for again."""
    flush_due: bool
    """True once the buffer holds 5,000 records or 64 MiB."""

__all__ = [
    "FlushReport",
    "Provider",
    "Vault",
    "check",
    "check_writable",
    "expire",
    "flush",
    "forget",
    "load_metadata",
    "outlook",
    "pending",
    "store_metadata",
]

logger = logging.getLogger(__name__)

_current: tuple[tuple[object, ...], Vault] | None = None


def _vault() -> Vault:
    global _current  # noqa: PLW0603  the one of this process
    choice = chosen()
    if _current is None or _current[0] != choice:
        made = Vault(provider_from_settings(), settings.vault_layout)
        if _current is not None and (lost := _current[1].pending()):
            logger.warning("vault: its settings changed; %d buffered records are left to a later run", lost)
        _current = choice, made
    return _current[1]


def check() -> None:
    """Raises ConfigError for a setting that is missing or wrong, before anything is spent. No network."""
    _vault().check()


async def check_writable() -> None:
    """Raises ConfigError also where the place refuses for good to be written. See ``Vault.check_writable``."""
    await _vault().check_writable()


def store_metadata(
    video_id: str,
    api_response: Mapping[str, Any],
    *,
    refetched: bool = False,
    observed_at: datetime | None = None,
) -> None:
    """Buffers one record, under today's date of the schedule clock (UTC). See ``Vault.store_metadata``.

    Raises:
        ValueError: the id is none.
        ConfigError: a setting is missing or wrong.
    """
    _vault().store_metadata(video_id, api_response, refetched=refetched, observed_at=observed_at)


async def flush(seconds: float | None = None) -> FlushReport:
    """Stores what is buffered, within 60 s or what is given. See ``Vault.flush``. Raises ConfigError only."""
    return await _vault().flush(seconds)


def pending() -> int:
    """The number of records that wait for a flush."""
    return _vault().pending()


def load_metadata(video_id: str, day: date) -> dict[str, Any] | None:
    """A stored record, or None. See ``Vault.load_metadata``."""
    return _vault().load_metadata(video_id, day)


async def outlook(before: date, *, share: float, counted: int, seconds: float = 600.0) -> ArchiveOutlook:
    """Look at what ``expire`` would delete, and delete nothing. See ``atlas.vault.expiry``.

    Raises:
        ArchiveUnavailable: the place cannot be reached, or gives no answer.
        ConfigError: a setting is missing or wrong.
    """
    from atlas.vault.archive import Archive  # noqa: PLC0415  as in expire
    from atlas.vault.expiry import ArchiveOutlook, look  # noqa: PLC0415

    archive = Archive(_vault().provider)
    if not archive.provider.enabled:
        return ArchiveOutlook()
    try:
        return await call_in_background(
            lambda: look(archive, before, share=share, counted=counted), seconds=seconds, name="vault-outlook"
        )
    except TimeoutError:
        raise ArchiveUnavailable(f"the archive gave no answer within {seconds:g} s") from None


async def expire(before: date, *, dry_run: bool = False, seconds: float = 600.0) -> ExpireReport:
    """Deletes what was archived before a day (UTC), and erases the archive's history where it has one.

    What the archive suffers is never raised: the report's ``error`` says it, and the next call goes on.

    Args:
        before: the first day that is kept.
        dry_run: deletes nothing, and says what would go.
        seconds: no day is begun after so many (real) seconds, and no answer is waited for much longer.

    Raises:
        ConfigError: a setting is missing or wrong.
    """
    # an agent, which only adds to the archive, does not pay for what deletes from it
    from atlas.vault import deletion  # noqa: PLC0415
    from atlas.vault.archive import Archive  # noqa: PLC0415
    from atlas.vault.deletion import ExpireReport  # noqa: PLC0415

    archive = Archive(_vault().provider)
    if not archive.provider.enabled:
        return ExpireReport()
    deadline = time.monotonic() + seconds
    try:
        return await call_in_background(
            lambda: deletion.expire(archive, before, dry_run=dry_run, deadline=deadline),
            seconds=seconds + deletion.COMMIT_SECONDS,
            name="vault-expire",
        )
    except ArchiveUnavailable as error:
        return ExpireReport(error=str(error))
    except TimeoutError:
        return ExpireReport(error=f"the archive gave no answer within {seconds + deletion.COMMIT_SECONDS:g} s")


async def forget(video_ids: Iterable[str], *, since: date | None = None, seconds: float = 600.0) -> Forgotten:
    """Deletes everything that is archived of videos, and erases the archive's history where it has one.

    Args:
        video_ids: whose.
        since: looks at no day before this one.
        seconds: the longest wait (real seconds).

    Raises:
        ArchiveUnavailable: the place cannot be reached, or gives no answer; the next call goes on.
        ConfigError: a setting is missing or wrong.
    """
    from atlas.vault import erasure  # noqa: PLC0415  as in expire
    from atlas.vault.archive import Archive  # noqa: PLC0415
    from atlas.vault.erasure import Forgotten, Wanted  # noqa: PLC0415

    archive, wanted = Archive(_vault().provider), Wanted(frozenset(video_ids))
    if not archive.provider.enabled:
        return Forgotten()
    try:
        return await call_in_background(
            lambda: erasure.forget(archive, wanted, since=since), seconds=seconds, name="vault-forget"
        )
    except TimeoutError:
        raise ArchiveUnavailable(f"the archive gave no answer within {seconds:g} s") from None


if not TYPE_CHECKING:  # or a type checker would take any misspelt name for an attribute

    def __getattr__(name: str) -> Any:
        if name in {"enabled", "flush_due"}:
            return getattr(_vault(), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
