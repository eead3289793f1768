"""Reserved calls, and the form in which statements receive them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from pydantic import SecretStr

from atlas.quota.buckets import Bucket

__all__ = ["NO_CALLS", "Calls", "Reservation", "group_calls"]


@dataclass(slots=True)
class Reservation:
    """One call that may be made: counted in the database under its key, bucket and Pacific day.

    Attributes:
        counter_shard: which of the rows of this key, bucket and day counts the call; it is settled in the same row.
        open: whether it still has to be settled or cancelled.
    """

    key: SecretStr
    fingerprint: str
    bucket: Bucket
    day: date
    counter_shard: int
    open: bool = True


class Calls(NamedTuple):
    """Calls as columns for a statement, sorted by the keys of their rows; `numbers` counts the calls of each row."""

    days: Sequence[date] = ()
    fingerprints: Sequence[str] = ()
    buckets: Sequence[str] = ()
    counter_shards: Sequence[int] = ()
    numbers: Sequence[int] = ()


NO_CALLS = Calls()


def group_calls(reservations: Sequence[Reservation]) -> Calls:
    """Return the calls of these reservations by row."""
    if not reservations:
        return NO_CALLS
    counts = sorted(Counter((r.day, r.fingerprint, str(r.bucket), r.counter_shard) for r in reservations).items())
    days, prints, buckets, counter_shards = zip(*(row for row, _ in counts), strict=True)
    return Calls(days, prints, buckets, counter_shards, [number for _, number in counts])
