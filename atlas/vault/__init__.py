"""The cold archive of what YouTube answered: ``metadata/{YYYY-MM-DD}/{video_id}.json``.

::

    from atlas import vault

    vault.check()                                        at the start: a wrong setting is a ConfigError
    vault.store_metadata(video_id, api_response)         buffers
    report = await vault.flush()                         stores; never raises for what the archive suffers

``VAULT_PROVIDER`` says where: ``local`` (files), ``huggingface`` (a dataset on the Hub, one commit per flush) or
``off``. The archive never blocks an agent. What a flush reports as failed is not kept in memory: the database's
``archived_at`` says what is still to be archived, and a later run asks for it again.

The functions here use one ``Vault``, made from the settings at first use, and anew when they change. Importing does no
I/O.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from atlas.vault.buffer import FlushReport, Vault
from atlas.vault.choose import chosen, provider_from_settings
from atlas.vault.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    enabled: bool
    """False for VAULT_PROVIDER=off: nothing is archived, nothing needs to be asked for again."""
    flush_due: bool
    """True once the buffer holds 5,000 records or 64 MiB."""

__all__ = ["FlushReport", "Provider", "Vault", "check", "flush", "load_metadata", "pending", "store_metadata"]

logger = logging.getLogger(__name__)

_current: tuple[tuple[object, ...], Vault] | None = None


def _vault() -> Vault:
    global _current  # noqa: PLW0603  the one of this process
    choice = chosen()
    if _current is None or _current[0] != choice:
        made = Vault(provider_from_settings())
        if _current is not None and (lost := _current[1].pending()):
            logger.warning("vault: its settings changed; %d buffered records are left to a later run", lost)
        _current = choice, made
    return _current[1]


def check() -> None:
    """Raises ConfigError for a setting that is missing or wrong, before anything is spent. No network."""
    _vault().check()


def store_metadata(video_id: str, api_response: Mapping[str, Any], *, refetched: bool = False) -> None:
    """Buffers one record, under today's date of the schedule clock (UTC). See ``Vault.store_metadata``.

    Raises:
        ValueError: the id is none.
        ConfigError: a setting is missing or wrong.
    """
    _vault().store_metadata(video_id, api_response, refetched=refetched)


async def flush() -> FlushReport:
    """Stores what is buffered, within 60 s. See ``Vault.flush``. Raises ConfigError only."""
    return await _vault().flush()


def pending() -> int:
    """The number of records that wait for a flush."""
    return _vault().pending()


def load_metadata(video_id: str, day: date) -> dict[str, Any] | None:
    """A stored record, or None. See ``Vault.load_metadata``."""
    return _vault().load_metadata(video_id, day)


if not TYPE_CHECKING:  # or a type checker would take any misspelt name for an attribute

    def __getattr__(name: str) -> Any:
        if name in {"enabled", "flush_due"}:
            return getattr(_vault(), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
