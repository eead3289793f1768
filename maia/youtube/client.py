"""The YouTube Data API v3, as far as Maia asks it: its methods, what each costs, and how a call is made.

A call makes up to three tries; a try uses as many keys as it takes until one is accepted. Every request has a
reservation of its own, which is accounted for exactly once: released when the request never left this machine, settled
when it failed, refused where quota, rate or key did not let it in, and given to the caller with the answer
(`answer.reservations`) when it succeeded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from atlas.models.parsing import usable_id
from atlas.quota.buckets import Bucket
from atlas.redaction import remember_secret
from atlas.times import iso
from maia import __version__
from maia.runtime.recording import count, timed
from maia.youtube.errors import (
    KeyInvalid,
    KeyRefused,
    Malformed,
    QuotaExhausted,
    RateLimited,
    Stopped,
    TransientError,
    YouTubeError,
    classify,
)  # fmt: skip
from maia.youtube.models import Answer, SearchPage, StatsList, VideoList
from maia.youtube.transport import MAX_BODY, Reply, RequestProgress, Transport

if TYPE_CHECKING:
    from types import TracebackType

    from pydantic import SecretStr

    from atlas.keyring import KeyRing
    from atlas.quota.ledger import Reservation
    from maia.runtime.shutdown import Shutdown


logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Answer[Any])
T = TypeVar("T")

MAX_IDS: Final = 50
"""Ids in one call (YouTube: videos.list, videos.batchGetStats), and results on one page."""

_TRIES: Final = 3
_MAX_RETRY_AFTER: Final = 30.0  # seconds: a shard is short-lived, and its lease runs while it waits


@dataclass(frozen=True, slots=True)
class _Method:
    name: str
    path: str
    bucket: Bucket


_SEARCH: Final = _Method("search.list", "/search", Bucket.SEARCH)
_VIDEOS: Final = _Method("videos.list", "/videos", Bucket.UNITS)
_STATS: Final = _Method("videos.batchGetStats", "/videos:batchGetStats", Bucket.BATCH)

# Only this answer is cut to what is read: the others are archived whole.
_STATS_FIELDS: Final = "kind,items(id,snippet/publishTime,statistics,contentDetails)"


class YouTubeClient:
    """Ask the API with the keys of one ring. Use it as an async context manager: one HTTP session per client.

    The ring learns which keys are spent, wrong or blocked; the call then uses the next key. Once a shutdown is
    requested, no new call and no new try starts. Calls beyond `concurrency` wait before they reserve anything.
    `timeout` is for one try, `connect_timeout` for the connection in it. The first pause between tries is random
    between 0 and `backoff`, the second up to twice that. All times are real seconds.

    Every method raises:
        RateLimited: YouTube asks for fewer calls.
        TransientError (ServerError, Malformed, NetworkError): three tries failed.
        BadRequest, Forbidden, NotFound, PageTokenInvalid: YouTube refuses this request.
        Stopped: a shutdown was requested before the call, or before it used the next key.
        RingExhausted, KeysRejected, EmptyKeyRing (atlas.errors): no key is left for this bucket.
    """

    def __init__(
        self, ring: KeyRing, *, base_url: str, shutdown: Shutdown | None = None, concurrency: int = 32,
        timeout: float = 30.0, connect_timeout: float = 10.0, backoff: float = 1.0,
        user_agent: str = f"maia/{__version__}",
    ) -> None:  # fmt: skip
        self._transport = Transport(
            base_url, user_agent=user_agent, connections=concurrency, timeout=timeout, connect_timeout=connect_timeout
        )
        self._ring = ring
        self._shutdown = shutdown
        self._turn = asyncio.Semaphore(concurrency)
        self._backoff = backoff
        self._refused_keys: set[str] = set()
        self._accounting: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self._transport.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while self._accounting:
                await asyncio.wait(self._accounting)
        finally:
            await self._transport.close()

    async def search(
        self, q: str, *, page_token: str | None = None,
        published_after: datetime | None, published_before: datetime | None,
        region: str | None = None, language: str | None = None, safe_search: str | None = None,
        category: int | None = None,
    ) -> SearchPage:  # fmt: skip
        """search.list: videos of a window of time, newest first, 50 a page; one of 100 searches a day.

        The window is aware times, cut to seconds; None: no bound. A page token holds only for the very same arguments.
        Raises ValueError for a naive time or an empty window.
        """
        after, before = _rfc3339(published_after), _rfc3339(published_before)
        if after is not None and before is not None and after >= before:  # of one form, so they sort as text
            raise ValueError(f"the window from {after} to {before} is empty")
        params = {
            "part": "snippet",
            "type": "video",
            "order": "date",
            "q": q,
            "maxResults": str(MAX_IDS),
            "publishedAfter": after,
            "publishedBefore": before,
            "pageToken": page_token,
            "regionCode": region,
            "relevanceLanguage": language,
            "safeSearch": safe_search,
            "videoCategoryId": None if category is None else str(category),
        }
        return await self._call(
            _SEARCH, SearchPage, {name: value for name, value in params.items() if value is not None}
        )

    async def videos(self, ids: Sequence[str]) -> VideoList:
        """videos.list: 1 unit for up to 50 ids. Deleted and private videos are absent from the answer.

        Raises ValueError for no ids, more than 50, or one without the form of an id.
        """
        return await self._call(
            _VIDEOS, VideoList, {"part": "snippet,contentDetails,statistics", "id": _joined_ids(ids)}
        )

    async def batch_get_stats(self, ids: Sequence[str]) -> StatsList:
        """videos.batchGetStats: one call of its own bucket for up to 50 ids; ids and errors like `videos`."""
        parts = "id,snippet,statistics,contentDetails"
        return await self._call(_STATS, StatsList, {"part": parts, "id": _joined_ids(ids), "fields": _STATS_FIELDS})

    async def _call(self, method: _Method, answer: type[A], params: Mapping[str, str]) -> A:
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._try(method, answer, params)
            except TransientError as error:
                if attempt == _TRIES or self._stopping:
                    raise
                # full jitter, or as long as YouTube asks for where that is longer
                pause = max(
                    min(error.retry_after or 0.0, _MAX_RETRY_AFTER),
                    random.uniform(0, self._backoff * 2 ** (attempt - 1)),  # noqa: S311
                )
                logger.info("%s: try %d of %d in %.1f s. %s", method.name, attempt + 1, _TRIES, pause, error)
                await (asyncio.sleep(pause) if self._shutdown is None else self._shutdown.wait(pause))
                if self._stopping:
                    raise
        raise AssertionError("the last try returns or raises")

    async def _try(self, method: _Method, answer: type[A], params: Mapping[str, str]) -> A:
        async with self._turn:
            while not self._stopping:
                reservation = await self._reserve(method.bucket)
                try:
                    return await self._request(method, answer, params, reservation)
                except QuotaExhausted as error:
                    await self._account(self._ring.quota_spent(reservation, project=error.project, limit=error.limit))
                except KeyRefused as error:
                    if reservation.fingerprint not in self._refused_keys:  # once, not for each call in flight
                        self._refused_keys.add(reservation.fingerprint)
                        logger.warning("key %s is not used any more: %s", reservation.fingerprint, error)
                    await self._account(self._ring.reject(reservation, reason=error.why, project=error.project))
        raise Stopped

    async def _request(
        self, method: _Method, answer: type[A], params: Mapping[str, str], reservation: Reservation
    ) -> A:
        """Make one request; account for it, except where it is answered and in the errors that `_try` accounts for."""
        progress = RequestProgress()
        try:
            with _measured(method):
                reply = await self._transport.get(method.path, params, _checked(reservation.key), progress)
                return answer.read(_body(reply, method), (reservation,))
        except (QuotaExhausted, KeyRefused):
            raise
        except BaseException as error:
            await self._account_for_failure(error, reservation, sent=progress.sent)
            raise

    async def _account_for_failure(self, error: BaseException, reservation: Reservation, *, sent: bool) -> None:
        if isinstance(error, RateLimited):
            accounting = self._ring.refuse(reservation)
        else:
            accounting = self._ring.settle([reservation]) if sent else self._ring.release(reservation)
        try:
            await self._account(accounting)
        except Exception as failure:
            if not isinstance(error, asyncio.CancelledError):
                raise
            # the reservation stays counted, which errs on the safe side
            logger.warning("cannot account for a cancelled call: %s", failure)

    async def _reserve(self, bucket: Bucket) -> Reservation:
        """Reserve a call. If the caller is cancelled meanwhile, the reservation is released once it is made."""
        task = self._shielded(self._ring.acquire(bucket))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._shielded(self._release(task))
            raise

    async def _release(self, task: asyncio.Task[Reservation]) -> None:
        try:
            await self._ring.release(await task)
        except Exception as error:  # noqa: BLE001 - its caller is cancelled
            logger.warning("cannot release the reservation of a cancelled call: %s", error)

    async def _account(self, accounting: Coroutine[Any, Any, None]) -> None:
        await asyncio.shield(self._shielded(accounting))

    def _shielded(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run this in a task of its own, which ends even if the call is cancelled; closing the client waits for it."""
        task = asyncio.create_task(work)
        self._accounting.add(task)
        task.add_done_callback(self._accounting.discard)
        return task

    @property
    def _stopping(self) -> bool:
        return self._shutdown is not None and self._shutdown.requested


@contextlib.contextmanager
def _measured(method: _Method) -> Iterator[None]:
    """Count a request by its outcome, and measure its time."""
    outcome = "ok"
    try:
        with timed("maia_api_call_duration_seconds", method=method.name):
            yield
    except YouTubeError as error:
        outcome = error.outcome
        raise
    except BaseException as error:
        outcome = "cancelled" if isinstance(error, asyncio.CancelledError) else "error"
        raise
    finally:
        count("maia_api_calls_total", method=method.name, outcome=outcome)


def _body(reply: Reply, method: _Method) -> bytes:
    if not 200 <= reply.status < 300:
        raise classify(reply.status, reply.body or b"", reply.headers, method.bucket)
    if reply.body is None:
        raise Malformed(f"{method.name}: an answer of more than {MAX_BODY} bytes.")
    return reply.body


def _checked(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not (text.isascii() and text.isprintable()):
        raise KeyInvalid("not printable ASCII")  # it could not even be written into a header
    remember_secret(text)
    return key


def _joined_ids(ids: Sequence[str]) -> str:
    if not 0 < len(ids) <= MAX_IDS:
        raise ValueError(f"{len(ids)} ids in one call: YouTube takes 1 to {MAX_IDS}")
    if any(usable_id(id_) is None for id_ in ids):
        raise ValueError("one of the ids has not the form of an id")
    return ",".join(ids)


def _rfc3339(time: datetime | None) -> str | None:
    if time is None:
        return None
    if time.tzinfo is None:
        raise ValueError("a window of time needs aware times")
    return iso(time)
