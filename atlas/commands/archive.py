"""The archive that a command works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from atlas.docs_pages import page
from atlas.errors import ConfigError
from atlas.vault.archive import Archive, Damage
from atlas.vault.buffer import Vault
from atlas.vault.factory import provider_from_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas.commands.progress import Progress


async def archive_or_none(*, writing: bool = False) -> Archive | None:
    """Return the archive of the settings, None for VAULT_PROVIDER=off; with ``writing`` check that it can be written.

    Raises ConfigError.
    """
    vault = Vault(provider_from_settings(create=False))
    if writing:
        await vault.check_writable()
    else:
        vault.check()
    return Archive(vault.provider) if vault.enabled else None


async def configured_archive(*, writing: bool = False) -> Archive:
    """Return the archive of the settings. Raises ConfigError also for VAULT_PROVIDER=off."""
    archive = await archive_or_none(writing=writing)
    if archive is None:
        raise ConfigError(
            f"VAULT_PROVIDER is off: there is no archive. Set it to where the archive is; see {page('vault.md')}."
        )
    return archive


def damage_printer(progress: Progress) -> Callable[[Damage], None]:
    """Return a function that prints a damaged file or record to standard output."""

    def show(damage: Damage) -> None:
        progress.clear()
        typer.echo(f"damaged: {damage}")

    return show
