"""The pool of API keys, by ring."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import SecretStr

from atlas.errors import ConfigError

__all__ = ["RINGS", "KeyPool", "fingerprint"]

RINGS = ("hunting", "tracking", "archeology")


def fingerprint(key: SecretStr | str) -> str:
    """Return 12 hexadecimal digits of a key's SHA-256, its name in the database, logs and reports."""
    text = key.get_secret_value() if isinstance(key, SecretStr) else key
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class KeyPool:
    """The keys of each ring, each key once, in their order."""

    rings: dict[str, tuple[SecretStr, ...]]
    shared: bool = False  # all rings share the keys, since the list was too short to deal out

    @classmethod
    def parse(cls, text: str | None, *, tracking_size: int = 1, archeology_size: int = 1) -> KeyPool:
        """Parse YOUTUBE_API_KEY_POOL_JSON: an object of rings, or a list to deal out.

        Raises ConfigError, which never shows a part of the value.
        """
        if text is None:
            return cls(dict.fromkeys(RINGS, ()))
        try:
            value: Any = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ConfigError(
                f"YOUTUBE_API_KEY_POOL_JSON is not JSON (line {error.lineno}, column {error.colno}). Write it like "
                '{"hunting": ["KEY"], "tracking": ["KEY"]}, or ["KEY", "KEY"].'
            ) from None
        if isinstance(value, dict):
            unknown = sorted(set(value) - set(RINGS))
            if unknown:
                raise ConfigError(
                    f"YOUTUBE_API_KEY_POOL_JSON names {len(unknown)} unknown ring(s); the rings are {', '.join(RINGS)}."
                )
            return cls({ring: _keys(value.get(ring, []), ring) for ring in RINGS})
        return cls._deal(_keys(value, "the list"), tracking_size, archeology_size)

    @classmethod
    def _deal(cls, keys: tuple[SecretStr, ...], tracking_size: int, archeology_size: int) -> KeyPool:
        hunting_size = len(keys) - tracking_size - archeology_size
        if keys and hunting_size < 1:
            return cls(dict.fromkeys(RINGS, keys), shared=True)
        return cls(
            {
                "hunting": keys[: max(hunting_size, 0)],
                "tracking": keys[max(hunting_size, 0) : len(keys) - archeology_size],
                "archeology": keys[len(keys) - archeology_size :] if archeology_size else (),
            }
        )

    def __getitem__(self, ring: str) -> tuple[SecretStr, ...]:
        if ring not in RINGS:
            raise ConfigError(f"There is no key ring '{ring}'; the rings are {', '.join(RINGS)}.")
        return self.rings[ring]

    def all_keys(self) -> tuple[SecretStr, ...]:
        """Return every key of the pool once."""
        return tuple(dict.fromkeys(key for ring in RINGS for key in self.rings[ring]))

    def version(self) -> str:
        """Return a digest of the pool's keys. When it changes, rejected keys are tried again."""
        prints = sorted(fingerprint(key) for key in self.all_keys())
        return hashlib.sha256(" ".join(prints).encode()).hexdigest()[:12]


def _keys(value: Any, where: str) -> tuple[SecretStr, ...]:
    if not isinstance(value, list) or not all(isinstance(key, str) and key.strip() for key in value):
        raise ConfigError(
            f"YOUTUBE_API_KEY_POOL_JSON: {where} must be a list of keys, each a non-empty string, "
            'such as ["KEY", "KEY"].'
        )
    keys = tuple(dict.fromkeys(key.strip() for key in value))
    for key in keys:
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigError(
                f"YOUTUBE_API_KEY_POOL_JSON: a key of {where} (fingerprint {fingerprint(key)}) has characters that "
                "no key has; copy it again."
            )
    return tuple(SecretStr(key) for key in keys)
