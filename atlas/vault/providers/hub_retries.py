"""Time limits and retries of requests to the Hugging Face Hub.

huggingface_hub's HTTP client has no time limit, and waits by itself, for minutes where the Hub asks for it, before it
retries some requests. Here every request ends by a deadline, and tenacity repeats the whole operation, which the caller
makes idempotent.
"""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_before_delay, wait_random_exponential

from atlas.clock import clock
from atlas.vault.providers.base import TIME_IS_UP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenacity import RetryCallState
    from tenacity.wait import wait_base

ATTEMPTS = 8
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 10.0  # seconds; with full jitter, so that shards that collided do not collide again
_CONNECT_SECONDS = 10.0
_REQUEST_SECONDS = 20.0  # except requests that may take the Hub a minute
_SLOW = ("/commit/", "/super-squash/", "/lfs-files")

# 409 and 412: another shard commits at this moment. 408, 429 and 5xx: the Hub is busy. Other answers are final.
_TRANSIENT = frozenset({408, 409, 412, 429})
# Another process has swept away a part that was uploaded a moment ago, before it was committed.
_SWEPT = "LFS pointer pointed to a file that does not exist"
# the texts of the Hub's limits of commits: "… (128 per hour). You can retry this action in about 1 hour", …
_RETRY_IN = re.compile(
    r"\b(?:re)?try (?:this action |again )?(?:in|after) (?:about |around |approximately )?(an?|one|[0-9]{1,6}) "
    r"(second|minute|hour|day)s?\b",
    re.IGNORECASE,
)
# … and "You have exceeded our hourly quotas for action: commit. We invite you to retry later."
_HOURLY = re.compile(r"\bhourly (?:quota|limit|rate limit)s?\b|\bper hour\b", re.IGNORECASE)
_UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}
# huggingface_hub 1 uses httpx, 2 uses httpx2; neither re-exports it
_HTTP_LIBRARIES = frozenset({"httpx", "httpx2"})

T = TypeVar("T")


class NoAnswer(OSError):
    """The Hub gave no answer, or half of one."""


class Overtaken(OSError):
    """Another process has just done a part of this operation."""


class TimeIsUp(OSError):
    """The deadline has passed."""

    def __init__(self) -> None:
        super().__init__(TIME_IS_UP)


class HubRetries:
    """Repeat an operation on the Hub as long as that may help.

    Args:
        wait: between attempts; what the Hub asks for is added.
    """

    def __init__(self, wait: wait_base | None = None, sleep: Callable[[float], None] = time.sleep) -> None:
        self._wait = wait or wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT)
        self._sleep = sleep

    def __call__(self, call: Callable[[], T], deadline: float, *, attempts: int = ATTEMPTS) -> T:
        """Return the call's result; repeat it after transient errors, and raise the last one.

        Args:
            call: idempotent; its requests are made in this thread.
            deadline: in ``time.monotonic()`` seconds.
        """
        if deadline <= time.monotonic():
            raise TimeIsUp
        retrying = Retrying(
            retry=retry_if_exception(_is_transient),
            stop=stop_after_attempt(attempts) | stop_before_delay(deadline - time.monotonic()),
            wait=self._pause,
            sleep=self._sleep,
            reraise=True,
        )
        with _bounded(deadline):
            return retrying(call)

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return self._wait(state) + (requested_wait(error) if error else 0.0)


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status behind an error, or None where there was no answer."""
    status = getattr(_response(error), "status_code", None)
    return status if isinstance(status, int) else None


def _response(error: BaseException) -> Any:
    # the error of an upload is the cause of another error
    return next((found for each in _causes(error) if (found := getattr(each, "response", None)) is not None), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, Overtaken):
        return True
    status = status_of(error)
    if status is not None:
        return status in _TRANSIENT or status >= 500 or _SWEPT in str(error)
    return any(isinstance(cause, (NoAnswer, json.JSONDecodeError)) for cause in _causes(error))


def requested_wait(error: BaseException) -> float:
    """Return the seconds that the Hub asks to wait, by its RateLimit or Retry-After headers and by its text."""
    response = _response(error)
    if response is None:
        return 0.0
    seconds = _in_headers(response)
    return max(seconds, _in_text(str(error), seconds)) if response.status_code == 429 else seconds


def _in_headers(response: Any) -> float:
    limit = _library().parse_ratelimit_headers(response.headers)
    if limit is not None and limit.remaining == 0 and response.status_code == 429:
        return float(limit.reset_in_seconds)
    after = str(response.headers.get("Retry-After", "")).strip()
    if after.isdecimal():
        return float(after)
    try:
        return max(0.0, (parsedate_to_datetime(after) - clock.real()).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _in_text(text: str, otherwise: float) -> float:
    """Read the limit of commits, which is in the text alone; an hour for an hourly limit without a time."""
    if match := _RETRY_IN.search(text):
        return (1 if match[1].lower() in {"a", "an", "one"} else int(match[1])) * _UNITS[match[2].lower()]
    return otherwise or (_UNITS["hour"] if _HOURLY.search(text) else 0.0)


def _library() -> Any:
    from huggingface_hub import utils  # noqa: PLC0415  slow

    return utils


_deadline: ContextVar[float | None] = ContextVar("_deadline", default=None)
_ours: WeakSet[Any] = WeakSet()
_lock = threading.Lock()


@contextmanager
def _bounded(deadline: float) -> Iterator[None]:
    """End the requests of huggingface_hub in this context by the deadline, and disable its own retries."""
    with _lock:
        client = _library().get_session()
        if client not in _ours:
            client.send = partial(_send, client.send)
            _ours.add(client)
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


def _send(send: Callable[..., Any], request: Any, **options: Any) -> Any:
    """Replace the client's ``send``: apply the deadline, if there is one.

    huggingface_hub retries after httpx's errors and some answers; here it sees neither.
    """
    deadline = _deadline.get()
    if deadline is None:
        return send(request, **options)
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeIsUp
    if not any(part in str(request.url) for part in _SLOW):
        left = min(left, _REQUEST_SECONDS)
    limits = {"connect": min(left, _CONNECT_SECONDS), "read": left, "write": left, "pool": left}
    request.extensions = {**request.extensions, "timeout": limits}
    try:
        response = send(request, **options)
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _HTTP_LIBRARIES:
            raise
        raise NoAnswer(f"no answer from {request.url.host}: {error or type(error).__name__}") from None
    if response.status_code in {408, 429} or response.status_code >= 500:
        _library().hf_raise_for_status(response)
    return response
