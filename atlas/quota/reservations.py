"""Reserved calls, and what a statement is given of those that were answered."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from pydantic import SecretStr

from atlas.quota.buckets import Bucket

__all__ = ["NO_CALLS", "Calls", "Reservation", "counted", "open_ones", "slot"]

_SLOTS = 64  # rows over which the shards' counts of one key and day are spread


@dataclass(slots=True)
class Reservation:
    """One call that may be made: reserved in the database under this key, bucket and Pacific day."""

    key: SecretStr
    fingerprint: str
    bucket: Bucket
    day: date
    slot: int
    """Which of the key's counter shards the reservation stands in; it is settled there."""
    open: bool = True
    """Whether it still waits to be settled or given back."""


class Calls(NamedTuple):
    """Answered calls as a statement is given them, sorted: the keys of their rows, and how many of each."""

    days: Sequence[date] = ()
    fingerprints: Sequence[str] = ()
    buckets: Sequence[str] = ()
    slots: Sequence[int] = ()
    numbers: Sequence[int] = ()


NO_CALLS = Calls()


def open_ones(reservations: Iterable[Reservation]) -> list[Reservation]:
    """Each that still waits to be settled or given back, once."""
    return list({id(reservation): reservation for reservation in reservations if reservation.open}.values())


def counted(reservations: Sequence[Reservation]) -> Calls:
    """These calls, of which there is at least one."""
    counts = sorted(Counter((t.day, t.fingerprint, str(t.bucket), t.slot) for t in reservations).items())
    days, prints, buckets, slots = zip(*(key for key, _ in counts), strict=True)
    return Calls(days, prints, buckets, slots, [number for _, number in counts])


def slot() -> int:
    """Which of its rows a key's count goes to this time."""
    return random.randrange(_SLOTS)  # noqa: S311  only spreads writers
