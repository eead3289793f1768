"""How a call is made: a reserved key, up to three tries, and as many keys as it takes to be let in.

Each reservation is accounted for exactly once: released when the request never left this machine, settled when it
failed, refused where quota, rate or key did not let it in, and handed to the caller with the answer
(`answer.reservations`) when it succeeded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from atlas.redaction import remember_secret
from maia.runtime.shutdown import Shutdown
from maia.youtube.decoding import read_json
from maia.youtube.errors import (
    KeyInvalid,
    KeyRefused,
    Malformed,
    QuotaExhausted,
    RateLimited,
    Stopped,
    TransientError,
    classify,
)
from maia.youtube.models import Answer
from maia.youtube.reservations import Reservations, Ring
from maia.youtube.transport import MAX_BODY, Reply, Transport, Whereabouts

if TYPE_CHECKING:
    from pydantic import SecretStr

    from atlas.quota.buckets import Bucket
    from atlas.quota.reservations import Reservation

__all__ = ["MAX_RETRY_AFTER", "TRIES", "Caller", "Method"]

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Answer[Any])

TRIES: Final = 3
"""How often a call is made at most when it fails for reasons that pass."""

MAX_RETRY_AFTER: Final = 30.0
"""Seconds: a shard is short-lived, and its lease goes on while it waits."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the API: its name, its path below the base address, and the bucket that it is counted in."""

    name: str
    path: str
    bucket: Bucket


class Caller:
    """Makes calls with the keys of one ring.

    Args:
        ring: where keys come from.
        transport: the HTTP session; the caller opens and closes it.
        shutdown: no new call and no new try starts once it is requested; it also ends a pause between tries.
        concurrency: calls at once at most; the others wait for their turn before they reserve anything.
        backoff: the first pause between tries is random between 0 and this many seconds, the second up to twice that.
    """

    def __init__(
        self, ring: Ring, transport: Transport, *, shutdown: Shutdown | None, concurrency: int, backoff: float
    ) -> None:
        self._reservations = Reservations(ring)
        self._transport = transport
        self._shutdown = shutdown
        self._turn = asyncio.Semaphore(concurrency)
        self._jitter = wait_random_exponential(multiplier=backoff, max=MAX_RETRY_AFTER)
        self._told: set[str] = set()

    async def open(self) -> None:
        """Open the HTTP session."""
        await self._transport.open()

    async def close(self) -> None:
        """Wait until every call is accounted for, and close the HTTP session."""
        try:
            await self._reservations.finish()
        finally:
            await self._transport.close()

    async def ask(self, method: Method, answer: type[A], params: Mapping[str, str | None]) -> A:
        """Make a call with those `params` that are not None, and read what is answered."""
        given = {name: value for name, value in params.items() if value is not None}
        failed: TransientError
        try:
            return await self._try(method, answer, given)  # nearly always; the machinery of retries is not for free
        except TransientError as error:
            failed = error
            if self._stopping:
                raise
        return await self._again(method, answer, given, failed)

    async def _again(self, method: Method, answer: type[A], params: Mapping[str, str], failed: TransientError) -> A:
        """The tries after the first, each after its pause."""
        first = True
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, TransientError) and not self._stopping),
            stop=stop_after_attempt(TRIES),
            wait=self._pause,
            sleep=self._sleep,
            before_sleep=lambda state: _log_retry(method, state),
            reraise=True,
        )

        async def attempt() -> A:
            nonlocal failed, first
            if first:
                first = False
                raise failed  # the first try, which is made already
            try:
                return await self._try(method, answer, params)
            except TransientError as error:
                failed = error
                raise
            except Stopped:
                pass
            raise failed  # the stop came during the pause: what failed before says more

        return await retrying(attempt)

    async def _try(self, method: Method, answer: type[A], params: Mapping[str, str]) -> A:
        """One try, with as many keys as it takes to find one that is let in."""
        async with self._turn:
            while True:
                if self._stopping:
                    raise Stopped
                reservation = await self._reservations.acquire(method.bucket)
                try:
                    return await self._request(method, answer, params, reservation)
                except QuotaExhausted as error:
                    await self._reservations.quota_spent(reservation, project=error.project, limit=error.limit)
                except KeyRefused as error:
                    if reservation.fingerprint not in self._told:  # once, not for each call in flight
                        self._told.add(reservation.fingerprint)
                        logger.warning("Key %s drops out. %s", reservation.fingerprint, error)
                    await self._reservations.reject(reservation, reason=error.why, project=error.project)

    async def _request(self, method: Method, answer: type[A], params: Mapping[str, str], reservation: Reservation) -> A:
        """Make one request; account for it, except where it is answered and in the errors that `_try` accounts for."""
        where = Whereabouts()
        try:
            reply = await self._transport.get(method.path, params, _usable(reservation), where)
            return _understand(reply, method, answer, reservation)
        except (QuotaExhausted, KeyRefused):
            raise
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            refused = isinstance(error, RateLimited)
            await self._reservations.close(reservation, made=where.sent, refused=refused, cancelled=cancelled)
            raise

    @property
    def _stopping(self) -> bool:
        return self._shutdown is not None and self._shutdown.requested

    def _pause(self, state: RetryCallState) -> float:
        """Full jitter, or as long as YouTube asks for where that is longer."""
        error = state.outcome.exception() if state.outcome is not None else None
        asked = error.retry_after if isinstance(error, TransientError) else None
        return max(min(asked or 0.0, MAX_RETRY_AFTER), self._jitter(state))

    async def _sleep(self, seconds: float) -> None:
        if self._shutdown is None:
            await asyncio.sleep(seconds)
        else:
            await self._shutdown.wait(seconds)


def _usable(reservation: Reservation) -> SecretStr:
    key = reservation.key.get_secret_value()
    if not (key.isascii() and key.isprintable()):
        raise KeyInvalid("not printable ASCII")  # it could not even be written into a header
    remember_secret(key)
    return reservation.key


def _understand(reply: Reply, method: Method, answer: type[A], reservation: Reservation) -> A:
    if not 200 <= reply.status < 300:
        raise classify(reply.status, reply.body or b"", reply.headers, method.bucket)
    if reply.body is None:
        raise Malformed(f"{method.name}: an answer of more than {MAX_BODY} bytes.")
    said: object = None
    readable = False
    with contextlib.suppress(ValueError):
        said, readable = read_json(reply.body), True
    if not readable:
        # Raised out here, so that the body, which JSON's errors carry along, is no part of it.
        raise Malformed(f"{method.name}: an answer of {len(reply.body)} bytes that is no JSON.")
    return answer.read(said, (reservation,))


def _log_retry(method: Method, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    pause = state.next_action.sleep if state.next_action is not None else 0.0
    logger.info("%s: try %d of %d in %.1f s. %s", method.name, state.attempt_number + 1, TRIES, pause, error)
