"""Faults on request: what kind, for which calls, how often.

A specification is ``KIND[:ENDPOINT][:OPTION=VALUE]…``, such as ``rate-limit:search:after=10:times=3``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Any, Final

from atlas.config.keypool import fingerprint
from atlas.errors import ConfigError
from youtube_sandbox import errors
from youtube_sandbox.ids import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from atlas.quota.buckets import Bucket

__all__ = ["ENDPOINTS", "GRAMMAR", "Fault", "Faults", "Kind"]

ENDPOINTS: Final = ("search", "videos", "batchGetStats", "channels", "playlistItems")
"""What the sandbox answers, as specifications and the log name it (batchGetStats is videos:batchGetStats)."""


class Kind(StrEnum):
    """What goes wrong."""

    RATE_LIMIT = "rate-limit"
    USER_RATE_LIMIT = "user-rate-limit"
    QUOTA = "quota"
    DAILY_LIMIT = "daily-limit"
    KEY_INVALID = "key-invalid"
    KEY_BLOCKED = "key-blocked"
    GATEWAY = "gateway"
    BACKEND_ERROR = "backend-error"
    UNAVAILABLE_403 = "unavailable-403"
    BAD_PARAMETER = "bad-parameter"
    PAGE_TOKEN = "page-token"  # noqa: S105  no secret
    NOT_FOUND = "not-found"
    DROP = "drop"
    CUT = "cut"
    BROKEN_JSON = "broken-json"
    NOT_JSON = "not-json"
    EMPTY_ITEMS = "empty-items"
    UNREADABLE_ITEMS = "unreadable-items"
    UNKNOWN_MEMBER = "unknown-member"
    WRONG_KIND = "wrong-kind"
    OTHER_ID = "other-id"
    TWICE = "twice"
    NO_STATISTICS = "no-statistics"
    ODD_NUMBERS = "odd-numbers"
    FROZEN_COUNTS = "frozen-counts"
    UPCOMING = "upcoming"
    REPEATED_TOKEN = "repeated-token"  # noqa: S105  no secret
    STALE_PAGE = "stale-page"
    SLOW = "slow"


GRAMMAR: Final = """\
A fault is KIND[:ENDPOINT][:OPTION=VALUE]...

kinds
  rate-limit        429, a limit per minute: too fast (an agent churns)
  user-rate-limit   403 userRateLimitExceeded, or reason=rateLimitExceeded
  quota             the day's quota is said to be spent, in the bucket's own way
  daily-limit       403 dailyLimitExceeded, the older body
  key-invalid       400 API_KEY_INVALID
  key-blocked       403 with reason=API_KEY_SERVICE_BLOCKED (default),
                    API_KEY_HTTP_REFERRER_BLOCKED, API_KEY_IP_ADDRESS_BLOCKED,
                    CONSUMER_SUSPENDED or SERVICE_DISABLED
  gateway           a refusal of Google's gateway without details, reason=address
                    (default), project or credentials (401)
  backend-error     500, or status=503
  unavailable-403   403 whose reason is SERVICE_UNAVAILABLE
  bad-parameter     400 of one parameter, reason=regionCode (default),
                    relevanceLanguage, safeSearch, videoCategoryId or q
  page-token        400 invalidPageToken, for calls that carry a page token
  not-found         404 playlistNotFound
  drop              the connection is closed before any answer
  cut               the connection is closed in the middle of the answer
  broken-json       200 with half a JSON document
  not-json          502 with an HTML page
  empty-items       200 with no items; totalResults stays as it was
  unreadable-items  200 whose items have no id
  unknown-member    200 without the first item, whose id stands in a member
                    "notFoundIds" beside the items
  wrong-kind        200 that says it is another kind of list
  other-id          200 with one more item, of a video that was not asked for
  twice             200 that has its first item twice
  no-statistics     200 whose items have no statistics
  odd-numbers       200 with negative, huge and senseless counts
  frozen-counts     200 whose counts stand still since this fault first struck
  upcoming          200 whose videos are premieres to come: published ten days
                    earlier, without a length or views
  repeated-token    200 whose nextPageToken is the token that was sent
  stale-page        200 with the first page again, and a new page token, for calls
                    that carry a page token
  slow              the answer comes seconds=5 later; other faults still apply

endpoint            search, videos, batchGetStats, channels, playlistItems or *

options
  after=N           lets the first N matching calls pass
  times=N           N times, then no more
  p=0.2             with this probability (seeded: the same in each run)
  key=KEY           only calls with this key (or fingerprint)
  agent=TEXT        only callers whose User-Agent holds this text
  retry-after=N     adds the header Retry-After: N to a refusal
"""

_OPTIONS: Final = ("after", "times", "p", "key", "agent", "retry-after", "seconds", "status", "reason")
_ONLY: Final = {
    "seconds": {Kind.SLOW},
    "status": {Kind.BACKEND_ERROR},
    "reason": {Kind.KEY_BLOCKED, Kind.USER_RATE_LIMIT, Kind.GATEWAY, Kind.BAD_PARAMETER},
}
_REASONS: Final = {
    Kind.KEY_BLOCKED: errors.BLOCKED,
    Kind.GATEWAY: tuple(errors.GATEWAY),
    Kind.BAD_PARAMETER: ("regionCode", "relevanceLanguage", "safeSearch", "videoCategoryId", "q"),
    Kind.USER_RATE_LIMIT: ("userRateLimitExceeded", "rateLimitExceeded"),
}
_PAGED: Final = (Kind.PAGE_TOKEN, Kind.STALE_PAGE)
_SPOILING: Final = (
    Kind.DROP, Kind.CUT, Kind.BROKEN_JSON, Kind.NOT_JSON, Kind.EMPTY_ITEMS, Kind.UNREADABLE_ITEMS, Kind.REPEATED_TOKEN,
    Kind.STALE_PAGE, Kind.UNKNOWN_MEMBER, Kind.WRONG_KIND, Kind.OTHER_ID, Kind.TWICE, Kind.NO_STATISTICS,
    Kind.ODD_NUMBERS, Kind.FROZEN_COUNTS, Kind.UPCOMING,
)  # fmt: skip
_AT_THE_GATE: Final = {
    Kind.RATE_LIMIT,
    Kind.USER_RATE_LIMIT,
    Kind.QUOTA,
    Kind.DAILY_LIMIT,
    Kind.KEY_INVALID,
    Kind.KEY_BLOCKED,
    Kind.GATEWAY,
}
_FINGERPRINT_LENGTH: Final = 12


@dataclass
class Fault:
    """One specification, and how often it has matched and struck."""

    kind: Kind
    endpoint: str = "*"
    after: int = 0
    times: int | None = None
    probability: float = 1.0
    key: str | None = None
    """Fingerprint of the key that it is restricted to."""
    agent: str | None = None
    retry_after: int | None = None
    seconds: float = 5.0
    status: int = 500
    reason: str | None = None
    spec: str = ""
    """The specification, with a key as its fingerprint."""
    matched: int = 0
    struck: int = 0
    since: float | None = None
    """When it first struck (schedule time), of a fault that goes by it."""
    _rng: Random = field(default_factory=Random, repr=False)

    @classmethod
    def parse(cls, spec: str, *, seed: int = 0) -> Fault:
        """Reads a specification; raises ConfigError that says what was expected."""
        pieces = [piece.strip() for piece in spec.split(":")]
        if pieces[0] not in set(Kind):
            raise ConfigError(f"fault '{spec}': there is no kind '{pieces[0]}'; the kinds are {', '.join(Kind)}.")
        fault = cls(Kind(pieces[0]))
        rest = pieces[1:]
        if rest and "=" not in rest[0]:
            endpoint = rest.pop(0)
            if endpoint not in (*ENDPOINTS, "*"):
                raise ConfigError(
                    f"fault '{spec}': there is no endpoint '{endpoint}'; there are {', '.join(ENDPOINTS)} and *."
                )
            fault.endpoint = endpoint
        shown = [fault.kind.value, fault.endpoint]
        for piece in rest:
            name, equals, value = piece.partition("=")
            if name not in _OPTIONS or not equals or not value:
                raise ConfigError(
                    f"fault '{spec}': '{name}' is no option; write OPTION=VALUE with one of {', '.join(_OPTIONS)}."
                )
            if fault.kind not in _ONLY.get(name, {fault.kind}):
                raise ConfigError(f"fault '{spec}': '{name}' belongs to {', '.join(sorted(_ONLY[name]))}.")
            shown.append(f"{name}={fault._set(spec, name, value)}")
        fault.spec = ":".join(shown)
        fault._rng = Random(int.from_bytes(digest(seed, fault.spec)[:8], "big"))  # noqa: S311  repeatable, not secret
        return fault

    def _set(self, spec: str, name: str, value: str) -> str:
        """Sets an option; gives the value as it may be shown."""
        try:
            match name:
                case "after":
                    self.after = _whole(value)
                case "times":
                    self.times = _whole(value)
                case "retry-after":
                    self.retry_after = _whole(value)
                case "p":
                    self.probability = _number(value, 1.0)
                case "seconds":
                    self.seconds = _number(value, 86_400.0)
                case "status":
                    self.status = int(_one_of(value, ("500", "503")))
                case "reason":
                    self.reason = _one_of(value, _REASONS[self.kind])
                case "agent":
                    self.agent = value
                case "key":
                    looks_like_one = len(value) == _FINGERPRINT_LENGTH and not set(value) - set("0123456789abcdef")
                    self.key = value = value if looks_like_one else fingerprint(value)
        except ValueError:
            allowed = {
                "status": "500 or 503",
                "p": "a number from 0 to 1",
                "seconds": "a number of seconds",
                "reason": " or ".join(_REASONS.get(self.kind, ())),
            }.get(name, "a whole number")
            raise ConfigError(f"fault '{spec}': {name} takes {allowed}, not '{value}'.") from None
        return value

    def strikes(self, endpoint: str, key: str | None, agent: str, *, paged: bool) -> bool:
        """Whether it strikes this call; counts the call when it is one that it looks at."""
        if self.endpoint not in ("*", endpoint) or (self.key is not None and self.key != key):
            return False
        if (self.agent is not None and self.agent not in agent) or (self.kind in _PAGED and not paged):
            return False
        self.matched += 1
        if self.matched <= self.after or (self.times is not None and self.struck >= self.times):
            return False
        if self.probability < 1.0 and self._rng.random() >= self.probability:
            return False
        self.struck += 1
        return True

    def refusal(self, bucket: Bucket, project: str, limit: int, at: datetime) -> errors.ApiError | None:
        """The answer that refuses the call; None for faults that spoil an answer instead."""
        refusals: dict[Kind, Callable[[], errors.ApiError]] = {
            Kind.RATE_LIMIT: lambda: errors.rate_limit_429(bucket, project),
            Kind.USER_RATE_LIMIT: lambda: errors.rate_limit_403(self.reason or "userRateLimitExceeded"),
            Kind.QUOTA: lambda: errors.quota_spent(bucket, project, limit, at),
            Kind.DAILY_LIMIT: errors.daily_limit,
            Kind.KEY_INVALID: errors.key_invalid,
            Kind.KEY_BLOCKED: lambda: errors.key_blocked(self.reason or errors.BLOCKED[0], bucket, project),
            Kind.GATEWAY: lambda: errors.gateway_refusal(self.reason or "address", project),
            Kind.BAD_PARAMETER: lambda: errors.bad_parameter(self.reason or "regionCode"),
            Kind.BACKEND_ERROR: lambda: errors.backend_error(self.status),
            Kind.UNAVAILABLE_403: errors.unavailable_403,
            Kind.PAGE_TOKEN: errors.invalid_page_token,
            Kind.NOT_FOUND: errors.playlist_not_found,
        }
        error = refusals[self.kind]() if self.kind in refusals else None
        if error is not None and self.retry_after is not None:
            error.headers["Retry-After"] = str(self.retry_after)
        return error

    @property
    def free(self) -> bool:
        """Whether a call that it strikes costs nothing: it never got past the gate of keys, rates and quota."""
        return self.kind in _AT_THE_GATE

    @property
    def too_fast(self) -> bool:
        """Whether it refuses the call because of a rate."""
        return self.kind in (Kind.RATE_LIMIT, Kind.USER_RATE_LIMIT)

    @property
    def spoils(self) -> bool:
        """Whether it spoils a good answer, rather than refusing the call."""
        return self.kind in _SPOILING

    def as_dict(self) -> dict[str, Any]:
        """The fault as the sandbox's state shows it."""
        return {"spec": self.spec, "matched": self.matched, "struck": self.struck}


class Faults:
    """The faults in force; the first that strikes a call wins, and slowness comes on top."""

    def __init__(self, specs: Iterable[str] = (), *, seed: int = 0) -> None:
        self._seed = seed
        self._faults: list[Fault] = []
        self.set(specs)

    def set(self, specs: Iterable[str]) -> None:
        """Replaces all faults; raises ConfigError, and changes nothing, when one of them cannot be read."""
        self._faults = [Fault.parse(spec, seed=self._seed) for spec in specs]

    def add(self, spec: str) -> Fault:
        """Adds one fault after the others; raises ConfigError when it cannot be read."""
        fault = Fault.parse(spec, seed=self._seed)
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """No more faults."""
        self._faults = []

    def strike(self, endpoint: str, key: str | None, agent: str, *, paged: bool) -> tuple[float, Fault | None]:
        """(Seconds to wait, fault) for a call."""
        delay = 0.0
        for fault in self._faults:
            if fault.strikes(endpoint, key, agent, paged=paged):
                if fault.kind is not Kind.SLOW:
                    return delay, fault
                delay += fault.seconds
        return delay, None

    def as_list(self) -> list[dict[str, Any]]:
        """The faults in force, with how often each matched and struck."""
        return [fault.as_dict() for fault in self._faults]


def _whole(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise ValueError(value)
    return int(value)


def _one_of(value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise ValueError(value)
    return value


def _number(value: str, most: float) -> float:
    number = float(value)
    if not 0 <= number <= most:
        raise ValueError(value)
    return number
