"""The settings of the demo's processes: made here, with none of the user's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["KEYS", "LEASE_SECONDS", "PROJECT", "isolate", "settings_of"]

# What a process needs of its surroundings. Everything else may be a setting of Maia, of the database's driver or of
# Prefect, or a secret: the demo's processes have no use for it. COVERAGE_* lets the tests measure them.
_KEPT = {"PATH", "HOME", "TMPDIR", "TZ", "LANG", "TERM", "COLUMNS", "LINES", "NO_COLOR", "VIRTUAL_ENV"}
_KEPT |= {"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE"}
_KEPT_PREFIXES = ("LC_", "PYTHON", "COVERAGE_")

KEYS = {"hunting": ["demo-key-hunting"], "tracking": ["demo-key-tracking"]}
"""Invented keys. Both belong to one project, as YouTube asks: more keys of it add no quota."""

PROJECT = "demo"

LEASE_SECONDS = 60
"""How long a shard holds what it claimed: what a killed demo held is soon free again."""


def kept(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What stays of an environment."""
    for name, value in environment.items():
        if name in _KEPT or name.startswith(_KEPT_PREFIXES):
            yield name, value


def settings_of(folder: Path, *, clock: str, api: str = "", window_hours: float = 24) -> dict[str, str]:
    """The settings of every process of a run.

    Args:
        folder: the demo's.
        clock: the schedule clock, given alike to all.
        api: the sandbox's address.
        window_hours: how old a video may be that the Hunter looks for.
    """
    return {
        "ATLAS_CLOCK": clock,
        "ATLAS_EMBEDDED_PATH": str(folder / "postgres"),
        "YOUTUBE_API_KEY_POOL_JSON": json.dumps(KEYS),
        "YOUTUBE_API_BASE_URL": api,
        "VAULT_PROVIDER": "local",
        "VAULT_PATH": str(folder / "vault"),
        "HUNTER_PUBLISHED_WITHIN_HOURS": f"{window_hours:g}",
        "HUNTER_LEASE_SECONDS": str(LEASE_SECONDS),
        "TRACKER_LEASE_SECONDS": str(LEASE_SECONDS),
        "DO_NOT_TRACK": "1",
    }


def isolate(settings: Mapping[str, str], folder: Path) -> None:
    """Gives this process the environment that its children will have, and the demo's folder to work in (no .env)."""
    clean = dict(kept(os.environ)) | dict(settings)
    os.environ.clear()
    os.environ.update(clean)
    os.chdir(folder)
