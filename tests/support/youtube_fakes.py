"""A key ring and a stop in memory. The ring keeps book of every reservation, so that a test can balance it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import aiohttp
from aioresponses import aioresponses
from pydantic import SecretStr
from yarl import URL

from atlas.errors import KeysRejected, RingExhausted
from atlas.quota.buckets import Bucket

BASE = "https://api.example/youtube/v3"
ANY = re.compile(re.escape(BASE))

MIDNIGHT = datetime(2026, 11, 23, 8, tzinfo=UTC)


@dataclass(eq=False)
class FakeReservation:
    key: SecretStr
    fingerprint: str
    bucket: Bucket
    day: date = date(2026, 11, 22)
    open: bool = True


@dataclass
class FakeRing:
    keys: list[str] = field(default_factory=lambda: ["key-one", "key-two", "key-three"])
    issued: list[FakeReservation] = field(default_factory=list)
    closed: list[tuple[str, FakeReservation]] = field(default_factory=list)
    reported: list[tuple[object, ...]] = field(default_factory=list)
    spent: set[tuple[str, Bucket]] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)
    failure: Exception | None = None

    async def acquire(self, bucket: Bucket) -> FakeReservation:
        usable = [key for key in self.keys if key not in self.rejected]
        if not usable:
            raise KeysRejected("hunting", {f"fp{place}": "refused" for place in range(len(self.keys))})
        for key in usable:
            if (key, bucket) not in self.spent:
                reservation = FakeReservation(SecretStr(key), f"fp{self.keys.index(key)}", bucket)
                self.issued.append(reservation)
                return reservation
        raise RingExhausted("hunting", bucket, MIDNIGHT, "midnight")

    async def settle(self, reservations: Sequence[FakeReservation]) -> None:
        self._close("settled", *reservations)

    async def refuse(self, reservation: FakeReservation) -> None:
        self._close("refused", reservation)

    async def release(self, reservation: FakeReservation) -> None:
        self._close("released", reservation)

    async def quota_spent(self, reservation: FakeReservation, *, project: str | None, limit: int | None) -> None:
        self.spent.add((reservation.key.get_secret_value(), reservation.bucket))
        self.reported.append((reservation.fingerprint, reservation.bucket, project, limit))
        self._close("spent", reservation)

    async def reject(self, reservation: FakeReservation, *, reason: str, project: str | None) -> None:
        self.rejected.add(reservation.key.get_secret_value())
        self.reported.append((reservation.fingerprint, reason, project))
        self._close("rejected", reservation)

    def _close(self, how: str, *reservations: FakeReservation) -> None:
        if self.failure is not None:
            raise self.failure
        self.closed += [(how, reservation) for reservation in reservations]

    def book(self, *handed_over: object) -> list[str]:
        """How each reservation ended, in order of issue. Fails unless each has exactly one end."""
        ends = [*self.closed, *(("answered", reservation) for reservation in handed_over)]
        assert Counter(id(reservation) for _, reservation in ends) == Counter(
            id(reservation) for reservation in self.issued
        )
        return [next(how for how, ended in ends if ended is reservation) for reservation in self.issued]


class FakeStop:
    """A stop that does not sleep, but remembers for how long it should have."""

    def __init__(self) -> None:
        self.requested = False
        self.stop_in_pause = False
        self.pauses: list[float] = []

    async def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0.0)
        self.requested = self.requested or self.stop_in_pause
        return self.requested


def calls(api: aioresponses) -> list[tuple[URL, dict[str, Any]]]:
    """Every call that was made: its address and the arguments of the request."""
    return [(url, call.kwargs) for (_, url), made in api.requests.items() for call in made]


def keys(api: aioresponses) -> list[str]:
    """The keys that were sent, call by call."""
    return [kwargs["headers"]["X-Goog-Api-Key"] for _, kwargs in calls(api)]


def no_connection() -> aiohttp.ClientConnectorError:
    """What aiohttp raises when nobody listens."""
    key = aiohttp.client_reqrep.ConnectionKey("api.example", 443, True, True, None, None, None)
    return aiohttp.ClientConnectorError(key, OSError("Connection refused"))
