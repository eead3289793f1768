"""Create the provider of the settings; only its module is imported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from atlas.config import settings
from atlas.errors import ConfigError

if TYPE_CHECKING:
    from atlas.vault.providers.base import Provider

_INSTEAD = "or set VAULT_PROVIDER to local or off"
# The Hub's rule for names, with the owner that a dataset of one's own always has.
_DATASET_ID = re.compile(r"(?!.*(?:--|\.\.))(?!.*\.git$)\w(?:[\w.-]{0,94}\w)?/\w(?:[\w.-]{0,94}\w)?", re.ASCII)
_FOLDER_URL = re.compile(r"(?:file|local)://(?!.*::)(/*[^/].*)", re.DOTALL)
_TOKEN = re.compile(r"[!-~]+")  # what an HTTP header can carry


def provider_settings() -> tuple[object, ...]:
    """Return the settings that decide about the provider, to see when they change."""
    return (
        settings.vault_provider,
        settings.vault_layout,
        settings.vault_path,
        settings.vault_url,
        settings.hf_dataset_id,
        settings.hf_token,
        settings.hf_dataset_private,
    )


def provider_from_settings(*, create: bool = True) -> Provider:
    """Return the provider of the settings. Raises ConfigError naming the setting and what to do.

    Args:
        create: create a missing dataset of the Hub. An erasure must not search the empty one that a wrong name creates.
    """
    if settings.vault_provider == "off":
        from atlas.vault.providers.off import OffProvider  # noqa: PLC0415

        return OffProvider()
    if settings.vault_provider == "local":
        from atlas.vault.providers.local import LocalProvider  # noqa: PLC0415

        return LocalProvider(settings.vault_path)
    if settings.vault_provider == "fsspec":
        if not settings.vault_url:
            raise ConfigError(
                "VAULT_URL required for VAULT_PROVIDER=fsspec: set it to where the archive is, such as "
                f"s3://bucket/archive or file:///mnt/archive; {_INSTEAD}."
            )
        if folder := _FOLDER_URL.fullmatch(settings.vault_url):
            from atlas.vault.providers.local import LocalProvider  # noqa: PLC0415

            return LocalProvider(Path(folder[1]), name="fsspec", setting="VAULT_URL")
        from atlas.vault.providers.filesystem import FilesystemProvider  # noqa: PLC0415

        return FilesystemProvider(settings.vault_url)
    dataset_id, token = settings.hf_dataset_id, settings.hf_token
    if not dataset_id:
        raise ConfigError(
            "HF_DATASET_ID required for VAULT_PROVIDER=huggingface: set it to the dataset that keeps the archive, such "
            f"as me/maia-archive, and HF_TOKEN to a token that may write to it; {_INSTEAD}."
        )
    if not _DATASET_ID.fullmatch(dataset_id):
        raise ConfigError(
            f"HF_DATASET_ID: '{dataset_id[:120]}' is not the name of a dataset; write owner/name: me/maia-archive."
        )
    if not token or not token.get_secret_value():
        raise ConfigError(
            f"HF_TOKEN required for VAULT_PROVIDER=huggingface: make a token with write access to {dataset_id} under "
            f"Settings, Access Tokens on the Hub and set HF_TOKEN to it; {_INSTEAD}."
        )
    if not _TOKEN.fullmatch(token.get_secret_value()):
        raise ConfigError("HF_TOKEN: it contains spaces or characters that no token has; copy it again, as one word.")
    from atlas.vault.providers.huggingface import HuggingFaceProvider  # noqa: PLC0415

    return HuggingFaceProvider(dataset_id, token, private=settings.hf_dataset_private, create=create)
