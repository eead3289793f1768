"""A key ring and a stop in memory. The ring keeps book of every ticket, so that a test can balance it."""

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
class FakeTicket:
    key: SecretStr
    fingerprint: str
    bucket: Bucket
    day: date = date(2026, 11, 22)
    open: bool = True


@dataclass
class FakeRing:
    keys: list[str] = field(default_factory=lambda: ["key-one", "key-two", "key-three"])
    issued: list[FakeTicket] = field(default_factory=list)
    closed: list[tuple[str, FakeTicket]] = field(default_factory=list)
    told: list[tuple[object, ...]] = field(default_factory=list)
    spent: set[tuple[str, Bucket]] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)
    failure: Exception | None = None

    async def acquire(self, bucket: Bucket) -> FakeTicket:
        usable = [key for key in self.keys if key not in self.rejected]
        if not usable:
            raise KeysRejected("hunting", {f"fp{place}": "refused" for place in range(len(self.keys))})
        for key in usable:
            if (key, bucket) not in self.spent:
                ticket = FakeTicket(SecretStr(key), f"fp{self.keys.index(key)}", bucket)
                self.issued.append(ticket)
                return ticket
        raise RingExhausted("hunting", bucket, MIDNIGHT, MIDNIGHT)

    async def settle(self, tickets: Sequence[FakeTicket]) -> None:
        self._close("settled", *tickets)

    async def refuse(self, ticket: FakeTicket) -> None:
        self._close("refused", ticket)

    async def give_back(self, ticket: FakeTicket) -> None:
        self._close("given back", ticket)

    async def quota_spent(self, ticket: FakeTicket, *, project: str | None, limit: int | None) -> None:
        self.spent.add((ticket.key.get_secret_value(), ticket.bucket))
        self.told.append((ticket.fingerprint, ticket.bucket, project, limit))
        self._close("spent", ticket)

    async def reject(self, ticket: FakeTicket, *, reason: str, project: str | None) -> None:
        self.rejected.add(ticket.key.get_secret_value())
        self.told.append((ticket.fingerprint, reason, project))
        self._close("rejected", ticket)

    def _close(self, how: str, *tickets: FakeTicket) -> None:
        if self.failure is not None:
            raise self.failure
        self.closed += [(how, ticket) for ticket in tickets]

    def book(self, *handed_over: object) -> list[str]:
        """How each ticket ended, in order of issue. Fails unless each has exactly one end."""
        ends = [*self.closed, *(("answered", ticket) for ticket in handed_over)]
        assert Counter(id(ticket) for _, ticket in ends) == Counter(id(ticket) for ticket in self.issued)
        return [next(how for how, ended in ends if ended is ticket) for ticket in self.issued]


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
