"""Identifiers of the sandbox's world: they look like YouTube's.

A seeded world is made lazily, hour by hour. An id that was handed out by an earlier process (a demo that goes on from
the same database) has to be found again, so a video's id is not random: it is the hour and the place in that hour,
scrambled by a small Feistel cipher of the seed and written in base64 (64 bits are 11 characters, as on YouTube).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from atlas.config.keypool import fingerprint

_WORD: Final = 0xFFFFFFFF
_LONG: Final = 0xFFFFFFFFFFFFFFFF
_INDEX_BITS: Final = 16
_SLOT_BITS: Final = 24
_ROUNDS: Final = 4


def mix(value: int) -> int:
    """Return a well-mixed 64-bit number for any integer (splitmix64's finaliser)."""
    value = (value + 0x9E3779B97F4A7C15) & _LONG
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _LONG
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _LONG
    return value ^ (value >> 31)


def digest(*parts: object) -> bytes:
    """Return 32 bytes that are the same for the same parts, in every process."""
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


class Scrambler:
    """Turns (slot, index) into a video id and back, one to one for each seed."""

    def __init__(self, seed: int) -> None:
        self._keys = [mix(seed * 1_000_003 + number) for number in range(_ROUNDS)]

    def encode(self, slot: int, index: int) -> str:
        """Return the id of video `index` (< 65,536) of `slot` (< 2**24, hours since 1970)."""
        value = (slot << _INDEX_BITS) | index
        left, right = value >> 32, value & _WORD
        for key in self._keys:
            left, right = right, left ^ (mix(right ^ key) & _WORD)
        return _text(((left << 32) | right).to_bytes(8, "big"))

    def decode(self, identifier: str) -> tuple[int, int] | None:
        """Return the (slot, index) of an id; None for what this seed never made."""
        if len(identifier) != 11 or not identifier.isascii():
            return None
        try:
            raw = base64.b64decode(identifier + "=", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        value = int.from_bytes(raw, "big")
        left, right = value >> 32, value & _WORD
        for key in reversed(self._keys):
            left, right = right ^ (mix(left ^ key) & _WORD), left
        value = (left << 32) | right
        slot, index = value >> _INDEX_BITS, value & ((1 << _INDEX_BITS) - 1)
        # The unused bits are a check: a foreign id has them all zero once in sixteen million.
        if slot >> _SLOT_BITS or self.encode(slot, index) != identifier:
            return None
        return slot, index


def channel_id(*parts: object) -> str:
    """Return a channel id: UC and 22 characters."""
    return "UC" + _text(digest("channel", *parts)[:16])


def uploads_id(channel: str) -> str:
    """Return the id of a channel's uploads playlist: its own with UU for UC."""
    return "UU" + channel[2:]


def own_project(key: str) -> str:
    """Return the name of the project of a key that has one of its own; it does not contain the key."""
    return f"key {fingerprint(key)}"


def project_number(project: str) -> str:
    """Return the number of a Google Cloud project: the name itself where it is a number, else 12 digits from it."""
    if project.isascii() and project.isdigit():
        return project
    return str(100_000_000_000 + int.from_bytes(digest("project", project)[:8], "big") % 900_000_000_000)
