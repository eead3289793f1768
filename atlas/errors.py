"""The errors of Atlas. A message says what happened, to which object, and what to do; it contains no secret."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime


class AtlasError(Exception):
    """Base of all errors that Atlas raises on purpose."""

    exit_code: ClassVar[int] = 1  # of the process that ends with this error (sysexits.h)


class ConfigError(AtlasError):
    """A setting is missing or wrong. The message names it, says what is wrong and how to fix it."""

    exit_code = 78


class EmptyKeyRing(ConfigError):
    """A key ring has no keys. `stray`: names that are set and were probably meant to be the pool."""

    def __init__(self, ring: str, stray: Sequence[str] = ()) -> None:
        meant = f" {', '.join(stray)} is not a setting: did you mean YOUTUBE_API_KEY_POOL_JSON?" if stray else ""
        super().__init__(
            f"Empty KeyRing: no keys for '{ring}' in YOUTUBE_API_KEY_POOL_JSON.{meant} Set it to a JSON object such as "
            f'{{"{ring}": ["YOUR_KEY"]}}, or to a list of keys that is dealt out to the rings.'
        )


class KeysRejected(ConfigError):
    """Every key of a ring is wrong or blocked, for these reasons by fingerprint."""

    def __init__(self, ring: str, reasons: Mapping[str, str]) -> None:
        keys: dict[str, list[str]] = {}
        for key, reason in reasons.items():
            keys.setdefault(reason.rstrip("."), []).append(key)
        listed = "; ".join(f"{', '.join(alike)}: {reason}" for reason, alike in keys.items())
        super().__init__(
            f"Every key of the ring '{ring}' is wrong or blocked: {listed}. Check the keys in "
            "YOUTUBE_API_KEY_POOL_JSON in the Google Cloud console (project active, API enabled, no address or "
            "referrer restriction), then run `maia keys`; `maia keys resume FINGERPRINT` lifts a suspension."
        )


class MissingRight(ConfigError):
    """The database's user lacks a right that the command needs."""


class SchemaError(ConfigError):
    """The schema is missing, or older or newer than this release."""


class OlderSchema(SchemaError):
    """The schema is of an earlier release."""


class RingExhausted(AtlasError):
    """Every usable key of a ring has spent the day's quota of one bucket; the first resets at `until` (schedule).

    `resets`: that time as people read it.
    """

    def __init__(self, ring: str, bucket: str, until: datetime, resets: str) -> None:
        self.ring = ring
        self.bucket = bucket
        self.until = until
        super().__init__(f"every key of the ring '{ring}' has spent the day's '{bucket}' quota; it resets at {resets}")


class StatementFailed(AtlasError):
    """The database refused a statement (a constraint, a time-out)."""


class Contended(StatementFailed):
    """PostgreSQL aborted the transaction (deadlock or serialization failure). A retry works."""


class DatabaseUnavailable(AtlasError):
    """The database cannot be reached, or was lost and did not come back within the bounded retries."""

    exit_code = 69


class NoConnectionLeft(DatabaseUnavailable):
    """The database has no connection left for this process."""


class ReadOnly(DatabaseUnavailable):
    """The database takes no writes: it is a standby, or set to read-only. A retry does not help."""


class ArchiveUnavailable(AtlasError):
    """The archive cannot be reached. Agents continue without it; commands end."""

    exit_code = 69


class ArchiveRefused(ArchiveUnavailable):
    """The archive refuses what the command needs. A retry does not help."""

    exit_code = 1


class Problems:
    """Collect problems with settings, to report all of them at once."""

    def __init__(self) -> None:
        self._found: list[ConfigError] = []

    @contextlib.contextmanager
    def collected(self) -> Iterator[None]:
        """Collect a ConfigError that is raised inside."""
        try:
            yield
        except ConfigError as error:
            self._found.append(error)

    def raise_all(self) -> None:
        """Raise the only problem as it is, or one ConfigError for all. Do nothing if there is none."""
        texts: list[str] = []
        for error in self._found:
            if not any(str(error) in text for text in texts):  # several checks report the same setting
                texts.append(str(error))
        if len(texts) == 1:
            raise self._found[0]
        if texts:
            raise ConfigError(" ".join(texts))
