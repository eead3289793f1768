"""The archive that a command works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from atlas.errors import ConfigError
from atlas.pages import page
from atlas.vault.archive import Archive, Damage
from atlas.vault.choose import provider_from_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas.commands.progress import Progress

__all__ = ["archive_or_none", "configured_archive", "telling"]


def archive_or_none() -> Archive | None:
    """The archive of the settings; None for VAULT_PROVIDER=off. Raises ConfigError."""
    provider = provider_from_settings()
    provider.check()
    return Archive(provider) if provider.enabled else None


def configured_archive() -> Archive:
    """The archive of the settings. Raises ConfigError, also where there is none."""
    archive = archive_or_none()
    if archive is None:
        raise ConfigError(
            f"VAULT_PROVIDER is off: there is no archive. Set it to where the archive is; see {page('vault.md')}."
        )
    return archive


def telling(progress: Progress) -> Callable[[Damage], None]:
    """Says on standard output what is damaged, as it is found."""

    def tell(damage: Damage) -> None:
        progress.clear()
        typer.echo(f"damaged: {damage}")

    return tell
