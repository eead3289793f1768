"""Reserved calls, each accounted for exactly once, whatever happens to the call meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from atlas.quota.buckets import Bucket
    from atlas.quota.reservations import Reservation

__all__ = ["Reservations", "Ring"]

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Ring(Protocol):
    """The key ring as the client needs it (`atlas.keyring.KeyRing`)."""

    async def acquire(self, bucket: Bucket) -> Reservation:
        """Reserve one call; raises RingExhausted, KeysRejected or EmptyKeyRing when no key is left."""

    async def settle(self, reservations: Sequence[Reservation]) -> None:
        """The calls were made and answered."""

    async def refuse(self, reservation: Reservation) -> None:
        """The call was refused because of a rate: it costs nothing."""

    async def release(self, reservation: Reservation) -> None:
        """The call never left this machine."""

    async def quota_spent(self, reservation: Reservation, *, project: str | None, limit: int | None) -> None:
        """The key's bucket is spent for the day; refuses the reservation too."""

    async def reject(self, reservation: Reservation, *, reason: str, project: str | None) -> None:
        """The key is wrong or blocked; refuses the reservation too."""


class Reservations:
    """A ring whose entries are never cut off half-way: each is a task of its own, which outlives a cancelled call."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._entries: set[asyncio.Task[Any]] = set()

    async def acquire(self, bucket: Bucket) -> Reservation:
        """Reserve a call. If the caller is cancelled meanwhile, the reservation is given back as soon as it stands."""
        reservation = self._enter(self._ring.acquire(bucket))
        try:
            return await asyncio.shield(reservation)
        except asyncio.CancelledError:
            self._enter(self._return(reservation))
            raise

    async def close(
        self, reservation: Reservation, *, made: bool, refused: bool = False, cancelled: bool = False
    ) -> None:
        """Settle a call that was made, apart from those that were `refused`; give back one that was not made.

        If the call was `cancelled`, nothing but that reaches the caller: an entry that fails is logged, and the
        reservation stays counted, which errs on the safe side.
        """
        try:
            if refused:
                await self._finish(self._ring.refuse(reservation))
            else:
                await self._finish(self._ring.settle([reservation]) if made else self._ring.release(reservation))
        except Exception as error:
            if not cancelled:
                raise
            logger.warning("A cancelled call could not be accounted for: %s", error)

    async def quota_spent(self, reservation: Reservation, *, project: str | None, limit: int | None) -> None:
        """Close the key's bucket for the day."""
        await self._finish(self._ring.quota_spent(reservation, project=project, limit=limit))

    async def reject(self, reservation: Reservation, *, reason: str, project: str | None) -> None:
        """Suspend the key."""
        await self._finish(self._ring.reject(reservation, reason=reason, project=project))

    async def finish(self) -> None:
        """Wait until everything is entered."""
        while self._entries:
            await asyncio.wait(self._entries)

    def _enter(self, entry: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(entry)
        self._entries.add(task)
        task.add_done_callback(self._entries.discard)
        return task

    async def _finish(self, entry: Coroutine[Any, Any, None]) -> None:
        await asyncio.shield(self._enter(entry))

    async def _return(self, reservation: asyncio.Task[Reservation]) -> None:
        try:
            await self._ring.release(await reservation)
        except Exception as error:  # noqa: BLE001 - nobody waits for it any more
            logger.warning("A reserved call could not be given back: %s", error)
