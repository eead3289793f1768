"""Maia's settings in the action: their names, which of them are secret, and what the container gets.

The names are those of `atlas.config.Settings`; a test compares them. The container checks the values.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from action.errors import SettingError

PAGE = "https://github.com/pleiades/maia/blob/v1/docs/configuration.md"
"""The page that describes the settings."""

SECRETS = frozenset(
    {
        "DATABASE_URL", "HEARTBEAT_URL", "HF_TOKEN", "METRICS_PUSH_URL", "NOTIFY_URLS", "PREFECT_API_KEY",
        "YOUTUBE_API_KEY_POOL_JSON",
    }
)  # fmt: skip
"""Settings that come by `env:` from the repository's secrets, never by an input."""

MIGRATION = "MIGRATE_DATABASE_URL"
"""A secret that becomes DATABASE_URL of the container that migrates."""

OWN = {
    "MAIA_RUN_ID": "the input `run` is for that",
    "MAIA_RUN_URL": "the action knows it",
    "MAIA_WAVE": "the input `wave` is for that",
    "MAIA_RESULT_FILE": "the action reads the result itself",
}
"""Settings that only the action sets, and what to use instead."""

NAMES = frozenset(
    {
        *SECRETS, *OWN,
        "ATLAS_CLOCK", "ATLAS_EMBEDDED_PATH", "BREAKOUT_MIN_SCORE",
        "BREAKOUT_MIN_VIEWS_PER_HOUR", "BREAKOUT_VIEWS_PER_HOUR", "DATABASE_CHUNK_DAYS",
        "DATABASE_POOL_SIZE", "DATABASE_SCHEMA", "DISPLAY_TIME_ZONE", "HF_DATASET_ID", "HF_DATASET_PRIVATE",
        "HUNTER_BATCH_SIZE",
        "HUNTER_CATEGORY", "HUNTER_INDEX_LAG_MINUTES", "HUNTER_LANGUAGE", "HUNTER_LEASE_SECONDS",
        "HUNTER_MAX_PAGES_PER_ROUND", "HUNTER_MAX_QUEUE", "HUNTER_MAX_SEARCHES_PER_RUN",
        "HUNTER_NEW_QUERIES_PER_SEARCH", "HUNTER_PUBLISHED_WITHIN_HOURS", "HUNTER_REGION", "HUNTER_SAFE_SEARCH",
        "HUNTER_TAGS_PER_VIDEO", "HUNTER_TAG_ALLOW", "HUNTER_TAG_DENY", "JANITOR_BATCH_SIZE", "JANITOR_MAX_SHARE",
        "KEY_POOL_ARCHEOLOGY_SIZE", "KEY_POOL_TRACKING_SIZE", "MAIA_WAVE_PAUSE_SECONDS", "METRICS_ADDRESS",
        "NOTIFY_DIGEST_AT", "NOTIFY_INTERVAL_MINUTES", "NOTIFY_LEVEL", "NOTIFY_MAX_PER_HOUR", "NOTIFY_QUIET_HOURS",
        "PREFECT_API_URL", "QUOTA_BATCH_PER_DAY", "QUOTA_SEARCH_PER_DAY", "QUOTA_UNITS_PER_DAY",
        "REPORT_TITLE",
        "RETENTION_EVENTS_DAYS", "RETENTION_METADATA_DAYS", "RETENTION_RETIRED_DAYS", "RETENTION_STATISTICS_DAYS",
        "TRACKER_BATCH_SIZE", "TRACKER_LEASE_SECONDS", "VAULT_LAYOUT", "VAULT_PATH", "VAULT_PROVIDER", "VAULT_URL",
        "YOUTUBE_API_BASE_URL", "YOUTUBE_AUDITED", "YOUTUBE_CONCURRENCY",
    }
)  # fmt: skip
"""Every setting."""

STORE = (
    "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_MAX_ATTEMPTS",
    "AWS_REGION", "AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION", "AWS_RETRY_MODE",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
)  # fmt: skip
"""The environment of an S3 client, passed on if VAULT_PROVIDER is `fsspec`."""

PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy")
"""The runner's proxies, passed on if set, as are NO_PROXY and no_proxy."""

AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")
"""Variables that name files and folders of trusted authorities, which are mounted at the same paths."""


def network_of(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return a container's variables for proxies, and those for authorities, whose paths are to be mounted."""
    found = {name: environ[name] for name in (*PROXIES, "NO_PROXY", "no_proxy") if environ.get(name, "").strip()}
    # os.path, since pathlib raises if a folder may not be entered
    paths = {name: environ.get(name, "") for name in AUTHORITIES}
    paths = {name: path for name, path in paths.items() if os.path.isabs(path) and os.path.exists(path)}  # noqa: PTH110, PTH117
    return found, paths


def cleaned(value: str) -> str:
    """Return `value` as Maia reads it: without surrounding blanks and one pair of quotes; empty means unset."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1].strip()
    return value


def from_lines(text: str) -> dict[str, str]:
    """Read the input `settings`: lines NAME=value; skip blank ones and those that begin with #.

    Raises SettingError for a name that is not a setting, and for a secret. No message shows a value.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name = name.strip()
        if not equals:
            # not shown: a secret may have come here by mistake
            raise SettingError(f"Line {number} of the input `settings` is not of the form NAME=value.")
        _check(name, cleaned(value), number)
        found[name] = value.strip()
    return found


def _check(name: str, value: str, number: int) -> None:
    where = f"Line {number} of the input `settings`"
    with_password = name == "VAULT_URL" and bool(passwords(value))
    if name in SECRETS or name == MIGRATION or with_password:
        what = " with a password" if with_password else ", which is a secret"
        raise SettingError(
            f"{where} sets {name}{what}: inputs are shown in the log. "
            f"Give it by `env:` of the step or job: {name}: ${{{{ secrets.{name} }}}}."
        )
    if name in OWN:
        raise SettingError(f"{where} sets {name}: {OWN[name]}.")
    if name not in NAMES:
        near = difflib.get_close_matches(name.upper(), sorted(NAMES - SECRETS - set(OWN)), 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        shown = f"{name!r}" if re.fullmatch(r"[A-Za-z_]{1,40}", name) else "a name"
        raise SettingError(f"{where} sets {shown}, which is not a setting of Maia.{hint} See {PAGE}.")


def passwords(url: str) -> list[str]:
    """Return the password of an address, as written and decoded; of a malformed one, the text in its place."""
    found = set()
    if match := re.search(r"[^:/@]+://[^:/@]*:(.*)@", url, re.DOTALL):
        found.add(match[1])
    found.update(re.findall(r"[?&]password=([^&#]*)", url))
    with contextlib.suppress(ValueError):
        found.add(urlsplit(url).password or "")
    return [password for written in sorted(found - {""}) for password in (written, unquote(written))]


def given(environ: Mapping[str, str], lines: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of the environment, overridden by the input `settings`; empty means unset."""
    both = {name: environ.get(name, "") for name in NAMES - set(OWN)} | dict(lines)
    if cleaned(both.get("VAULT_PROVIDER", "")).lower() == "fsspec":
        both |= {name: environ.get(name, "") for name in STORE}
    return {name: value for name, value in sorted(both.items()) if cleaned(value)}
