"""The environment of the harness's processes, with none of the user's settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# What a process needs of its surroundings. Everything else may be a setting of Maia, of the database's driver or of
# Prefect, or a secret. COVERAGE_* lets the tests measure the processes.
_KEPT = {"PATH", "HOME", "TMPDIR", "TZ", "LANG", "TERM", "COLUMNS", "LINES", "NO_COLOR", "VIRTUAL_ENV"}
_KEPT |= {"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE"}
_KEPT_PREFIXES = ("LC_", "PYTHON", "COVERAGE_")


def kept(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are no settings and no secrets."""
    return {name: value for name, value in environment.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}


def isolate(settings: Mapping[str, str], folder: Path) -> None:
    """Give this process the environment that its children get, and the folder to work in (no .env)."""
    clean = kept(os.environ) | dict(settings)
    os.environ.clear()
    os.environ.update(clean)
    os.chdir(folder)
