"""Run the pinned uv with pip's configuration: `.venv/bin/python tools/uv.py pip sync …`. Standard library only.

The first call installs uv beside the Python that runs this, by pip, from requirements-uv.txt. uv reads neither pip.conf
nor PIP_*: what they say about the way to the package index is passed on. Everything else that a user configured, of pip
or of uv, is left out: it could change what is installed, or where.
"""

from __future__ import annotations

import ast
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements-uv.txt"

PIP_SETTINGS = {
    "cert", "client-cert", "default-timeout", "extra-index-url", "find-links", "index-url", "keyring-provider",
    "no-index", "proxy", "retries", "timeout", "trusted-host", "use-feature",
}  # fmt: skip
"""What pip.conf and PIP_* say about the way to the package index."""

FOR_UV = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "proxy": ("ALL_PROXY", "all_proxy"),
    "default-timeout": ("UV_HTTP_TIMEOUT",),
    "timeout": ("UV_HTTP_TIMEOUT",),
}
"""Setting of pip → variable that says the same to uv, and others whose value goes first where a user set them."""

UV_VARIABLES = {name for names in FOR_UV.values() for name in names} | {
    "UV_CACHE_DIR", "UV_CONCURRENT_DOWNLOADS", "UV_CUSTOM_COMPILE_COMMAND", "UV_HTTP_RETRIES", "UV_INDEX_STRATEGY",
    "UV_KEYRING_PROVIDER", "UV_LINK_MODE", "UV_NATIVE_TLS", "UV_NO_CACHE", "UV_OFFLINE", "UV_SYSTEM_CERTS",
}  # fmt: skip
"""Variables of uv that a user may set: they change neither what is installed nor where."""


def main(arguments: list[str]) -> None:
    """Install uv if it is missing, and become it. Exits with pip's code where pip fails."""
    uv = Path(sys.executable).parent / "uv"
    settings = pip_settings(_pip("config", "list", env=os.environ, capture=True))
    if not uv.exists():
        command = ["install", "--quiet", "--no-cache-dir", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        _pip(*command, "--requirement", str(LOCK), env=pip_environment(settings, os.environ))
    no_index = ["--no-index"] if settings.get("no-index", "0").lower() in {"1", "true", "yes", "on"} else []
    os.execve(uv, [str(uv), *arguments, *no_index], uv_environment(settings, os.environ))  # noqa: S606


def pip_settings(listing: str) -> dict[str, str]:
    """Return what the output of `pip config list` says about the index: PIP_* before [install] before [global]."""
    found: dict[str, tuple[int, str]] = {}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        rank = {"global": 0, "install": 1, ":env:": 2}.get(section, -1)
        if name in PIP_SETTINGS and rank >= found.get(name, (0, ""))[0]:
            found[name] = rank, " ".join(str(ast.literal_eval(value)).split())
    return {name: value for name, (_, value) in found.items() if value}


def pip_environment(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which pip has these settings and no others."""
    kept = {name: value for name, value in environment.items() if not name.startswith("PIP_")}
    given = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in settings.items()}
    return {**kept, **given, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def uv_environment(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which uv finds the index as pip does, and follows no other configuration."""
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith("UV_") or name in UV_VARIABLES or name.startswith("UV_INDEX_")
    }
    for name, variables in FOR_UV.items():
        if name in settings and not any(kept.get(each) for each in variables):
            separator = "," if name == "find-links" else " "
            kept[variables[0]] = separator.join(settings[name].split())
    bundle = kept.get("REQUESTS_CA_BUNDLE") or kept.get("CURL_CA_BUNDLE")
    if bundle and not kept.get("SSL_CERT_FILE"):
        kept["SSL_CERT_FILE"] = bundle  # pip reads these two as well
    if _has_system_certificates():
        kept.setdefault("UV_SYSTEM_CERTS", "1")  # as pip does from 24.2 on: a company's authority is among them
    if settings.get("extra-index-url") and not kept.get("UV_INDEX_STRATEGY"):
        kept["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip does
    if settings.get("keyring-provider") == "subprocess":
        kept.setdefault("UV_KEYRING_PROVIDER", "subprocess")
    if not _can_write(_cache(kept)):
        kept["UV_NO_CACHE"] = "1"
    return {**kept, "UV_NO_CONFIG": "1", "UV_NO_SOURCES": "1"}  # nor of the pyproject.toml of a folder above


def _has_system_certificates() -> bool:
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile) or bool(paths.capath and any(Path(paths.capath).iterdir()))


def _cache(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or "/") / ".cache"
    return Path(environment.get("UV_CACHE_DIR") or Path(base) / "uv")


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _pip(*arguments: str, env: Mapping[str, str], capture: bool = False) -> str:
    """Run this Python's own pip, without what PYTHONPATH holds, and return what it printed."""
    command = [sys.executable, "-I", "-m", "pip", *arguments]
    done = subprocess.run(command, env=env, text=True, stdout=subprocess.PIPE if capture else None, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout or ""


if __name__ == "__main__":
    main(sys.argv[1:])
