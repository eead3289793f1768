"""Faults on request: which kind, for which calls, how often.

A specification is ``KIND[:ENDPOINT][:OPTION=VALUE]…``, such as ``rate-limit:search:after=10:times=3``.
"""

from __future__ import annotations

import contextlib
import re
import textwrap
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Any, Final, Self

from atlas.config.keypool import fingerprint
from atlas.errors import ConfigError
from youtube_sandbox import errors
from youtube_sandbox.ids import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from atlas.quota.buckets import Bucket

ENDPOINTS: Final = ("search", "videos", "batchGetStats", "channels", "playlistItems")
"""The endpoints, as specifications and the log name them (batchGetStats is videos:batchGetStats)."""
_PARAMETERS: Final = ("regionCode", "relevanceLanguage", "safeSearch", "videoCategoryId", "q")


def _one_of(reasons: Iterable[str]) -> str:
    first, *others, last = reasons
    return f"{', '.join((f'{first} (default)', *others))} or {last}"


class Kind(StrEnum):
    """What goes wrong, each kind with what the help says of it."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    RATE_LIMIT = "rate-limit", "429, a limit per minute: too fast (an agent churns)"
    USER_RATE_LIMIT = "user-rate-limit", "403 userRateLimitExceeded, or reason=rateLimitExceeded"
    QUOTA = "quota", "the day's quota is spent, in the bucket's own way"
    DAILY_LIMIT = "daily-limit", "403 dailyLimitExceeded, the older body"
    KEY_INVALID = "key-invalid", "400 API_KEY_INVALID"
    KEY_BLOCKED = "key-blocked", f"403 with reason={_one_of(errors.BLOCKED)}"
    GATEWAY = "gateway", f"a refusal of Google's gateway without details, reason={_one_of(errors.GATEWAY)} (401)"
    BACKEND_ERROR = "backend-error", "500, or status=503"
    UNAVAILABLE_403 = "unavailable-403", "403 whose reason is SERVICE_UNAVAILABLE"
    BAD_PARAMETER = "bad-parameter", f"400 of one parameter, reason={_one_of(_PARAMETERS)}"
    PAGE_TOKEN = "page-token", "400 invalidPageToken, for calls that carry a page token"
    NOT_FOUND = "not-found", "404 playlistNotFound"
    DROP = "drop", "the connection is closed before any answer"
    CUT = "cut", "the connection is closed in the middle of the answer"
    BROKEN_JSON = "broken-json", "200 with half a JSON document"
    NOT_JSON = "not-json", "502 with an HTML page"
    EMPTY_ITEMS = "empty-items", "200 with no items; totalResults stays as it was"
    UNREADABLE_ITEMS = "unreadable-items", "200 whose items have no id"
    UNKNOWN_MEMBER = "unknown-member", '200 without the first item, whose id stands in a member "notFoundIds"'
    WRONG_KIND = "wrong-kind", "200 that says it is another kind of list"
    OTHER_ID = "other-id", "200 with one more item, of a video that was not asked for"
    TWICE = "twice", "200 that has its first item twice"
    NO_STATISTICS = "no-statistics", "200 whose items have no statistics"
    ODD_NUMBERS = "odd-numbers", "200 with negative, huge and senseless counts"
    FROZEN_COUNTS = "frozen-counts", "200 whose counts stand still since this fault first struck"
    UPCOMING = "upcoming", "200 whose videos are premieres: published ten days earlier, without a length or views"
    REPEATED_TOKEN = "repeated-token", "200 whose nextPageToken is the token that was sent"
    STALE_PAGE = "stale-page", "200 with the first page again and a new page token, for calls that carry a page token"
    SLOW = "slow", "the answer comes seconds=5 later; other faults still apply"


_KINDS: Final = "\n".join(
    textwrap.fill(kind.meaning, 84, initial_indent=f"  {kind.value:<18}", subsequent_indent=" " * 20) for kind in Kind
)
GRAMMAR: Final = f"""\
A fault is KIND[:ENDPOINT][:OPTION=VALUE]...

kinds
{_KINDS}

endpoint            search, videos, batchGetStats, channels, playlistItems or *

options
  after=N           let the first N matching calls pass
  times=N           strike N times, then no more
  p=0.2             strike with this probability (seeded: the same in each run)
  key=KEY           strike only calls with this key (or fingerprint)
  agent=TEXT        strike only callers whose User-Agent holds this text
  retry-after=N     add the header Retry-After: N to a refusal
"""

_CHOICES: Final[dict[str, dict[Kind, tuple[str, ...]]]] = {
    "status": {Kind.BACKEND_ERROR: ("500", "503")},
    "reason": {
        Kind.KEY_BLOCKED: errors.BLOCKED,
        Kind.USER_RATE_LIMIT: errors.RATES,
        Kind.GATEWAY: tuple(errors.GATEWAY),
        Kind.BAD_PARAMETER: _PARAMETERS,
    },
}
"""Option → kind → the values it takes; the first is the default."""
_WHOLE_NUMBERS: Final = ("after", "times", "retry-after")
_NUMBERS: Final = {"p": (1.0, "a number from 0 to 1"), "seconds": (86_400.0, "a number of seconds")}
_OPTIONS: Final = (*_WHOLE_NUMBERS, *_NUMBERS, *_CHOICES, "key", "agent")
_KINDS_OF_OPTION: Final = {"seconds": {Kind.SLOW}, **{name: set(kinds) for name, kinds in _CHOICES.items()}}
_TOO_FAST: Final = {Kind.RATE_LIMIT, Kind.USER_RATE_LIMIT}
_FREE: Final = _TOO_FAST | {
    Kind.QUOTA,
    Kind.DAILY_LIMIT,
    Kind.KEY_INVALID,
    Kind.KEY_BLOCKED,
    Kind.GATEWAY,
}
_REFUSALS: Final = _FREE | {
    Kind.BAD_PARAMETER, Kind.BACKEND_ERROR, Kind.UNAVAILABLE_403, Kind.PAGE_TOKEN, Kind.NOT_FOUND
}  # fmt: skip


@dataclass
class Fault:
    """One specification, and how often it has matched and struck.

    A key is a fingerprint, in `options` and in `spec`. `since`: when frozen counts first struck (schedule time).
    """

    kind: Kind
    endpoint: str = "*"
    options: dict[str, Any] = field(default_factory=dict)
    spec: str = ""
    matched: int = 0
    struck: int = 0
    since: float | None = None
    _rng: Random = field(default_factory=Random, repr=False)

    @classmethod
    def parse(cls, spec: str, *, seed: int = 0) -> Fault:
        """Read a specification. Raises ConfigError that says what was expected."""
        try:
            return cls._parse(spec, seed)
        except ValueError as error:
            raise ConfigError(f"fault '{spec}': {error}.") from None

    @classmethod
    def _parse(cls, spec: str, seed: int) -> Fault:
        name, *rest = (piece.strip() for piece in spec.split(":"))
        if name not in set(Kind):
            raise ValueError(f"there is no kind '{name}'; the kinds are {', '.join(Kind)}")
        kind = Kind(name)
        endpoint = rest.pop(0) if rest and "=" not in rest[0] else "*"
        if endpoint not in (*ENDPOINTS, "*"):
            raise ValueError(f"there is no endpoint '{endpoint}'; there are {', '.join(ENDPOINTS)} and *")
        shown, options = [kind.value, endpoint], {}
        for piece in rest:
            option, _, value = piece.partition("=")
            options[option] = _read(kind, option, value)
            shown.append(f"{option}={options['key'] if option == 'key' else value}")
        spec = ":".join(shown)
        rng = Random(int.from_bytes(digest(seed, spec)[:8], "big"))  # noqa: S311  repeatable, not secret
        return cls(kind, endpoint, options, spec, _rng=rng)

    def strikes(self, endpoint: str, key: str | None, agent: str, *, paged: bool) -> bool:
        """Return whether it strikes this call; count the call when it matches."""
        options = self.options
        if self.endpoint not in ("*", endpoint) or options.get("key", key) != key:
            return False
        if options.get("agent", "") not in agent or (self.kind in (Kind.PAGE_TOKEN, Kind.STALE_PAGE) and not paged):
            return False
        self.matched += 1
        if self.matched <= options.get("after", 0) or self.struck >= options.get("times", self.struck + 1):
            return False
        if "p" in options and self._rng.random() >= options["p"]:
            return False
        self.struck += 1
        return True

    def refusal(self, bucket: Bucket, project: str, limit: int, at: datetime) -> errors.ApiError | None:
        """Return the answer that refuses the call; None for kinds that spoil or delay an answer."""
        choice = self._choice()
        refusals: dict[Kind, Callable[[], errors.ApiError]] = {
            Kind.RATE_LIMIT: lambda: errors.rate_limit_429(bucket, project),
            Kind.USER_RATE_LIMIT: lambda: errors.rate_limit_403(choice),
            Kind.QUOTA: lambda: errors.quota_spent(bucket, project, limit, at),
            Kind.KEY_INVALID: errors.key_invalid,
            Kind.KEY_BLOCKED: lambda: errors.key_blocked(choice, bucket, project),
            Kind.GATEWAY: lambda: errors.gateway_refusal(choice, project),
            Kind.BAD_PARAMETER: lambda: errors.bad_parameter(choice),
            Kind.BACKEND_ERROR: lambda: errors.refusal(f"backend-{choice}"),
            Kind.UNAVAILABLE_403: errors.unavailable_403,
        }
        if self.kind not in _REFUSALS:
            return None
        error = refusals.get(self.kind, lambda: errors.refusal(self.kind.value))()
        if "retry-after" in self.options:
            error.headers["Retry-After"] = str(self.options["retry-after"])
        return error

    def _choice(self) -> str:
        """Return the status or reason that was chosen, or the default one."""
        for name, kinds in _CHOICES.items():
            if self.kind in kinds:
                return str(self.options.get(name, kinds[self.kind][0]))
        return ""

    @property
    def free(self) -> bool:
        """Whether a call that it strikes costs nothing: it never got past the gate of keys, rates and quota."""
        return self.kind in _FREE

    @property
    def too_fast(self) -> bool:
        """Whether it refuses the call because of a rate."""
        return self.kind in _TOO_FAST

    @property
    def spoils(self) -> bool:
        """Whether it spoils a good answer, rather than refusing or delaying the call."""
        return self.kind not in _REFUSALS and self.kind is not Kind.SLOW

    def as_dict(self) -> dict[str, Any]:
        """Return the fault as the sandbox's state shows it."""
        return {"spec": self.spec, "matched": self.matched, "struck": self.struck}


class Faults:
    """The faults in force; the first that strikes a call wins, and slowness comes on top."""

    def __init__(self, specs: Iterable[str] = (), *, seed: int = 0) -> None:
        self._seed = seed
        self._faults: list[Fault] = []
        self.set(specs)

    def set(self, specs: Iterable[str]) -> None:
        """Replace all faults; raises ConfigError, and changes nothing, when one of them cannot be read."""
        self._faults = [Fault.parse(spec, seed=self._seed) for spec in specs]

    def add(self, spec: str) -> None:
        """Add one fault after the others; raises ConfigError when it cannot be read."""
        self._faults.append(Fault.parse(spec, seed=self._seed))

    def clear(self) -> None:
        """Remove all faults."""
        self._faults = []

    def strike(self, endpoint: str, key: str | None, agent: str, *, paged: bool) -> tuple[float, Fault | None]:
        """Return (seconds to wait, fault) for a call."""
        delay = 0.0
        for fault in self._faults:
            if fault.strikes(endpoint, key, agent, paged=paged):
                if fault.kind is not Kind.SLOW:
                    return delay, fault
                delay += fault.options.get("seconds", 5.0)
        return delay, None

    def as_list(self) -> list[dict[str, Any]]:
        """Return the faults in force, with how often each matched and struck."""
        return [fault.as_dict() for fault in self._faults]


def _read(kind: Kind, option: str, value: str) -> Any:
    """Return an option's value. Raises ValueError that says what was expected."""
    if option not in _OPTIONS or not value:
        raise ValueError(f"'{option}' is no option; write OPTION=VALUE with one of {', '.join(_OPTIONS)}")
    if kind not in _KINDS_OF_OPTION.get(option, {kind}):
        raise ValueError(f"'{option}' belongs to {', '.join(sorted(_KINDS_OF_OPTION[option]))}")
    if option in _WHOLE_NUMBERS and value.isascii() and value.isdigit():
        return int(value)
    if option in _NUMBERS:
        with contextlib.suppress(ValueError):
            if 0 <= float(value) <= _NUMBERS[option][0]:
                return float(value)
    if option == "key":
        return value if re.fullmatch("[0-9a-f]{12}", value) else fingerprint(value)
    if option == "agent" or value in _CHOICES.get(option, {}).get(kind, ()):
        return value
    choices = _CHOICES.get(option, {}).get(kind, ())
    expected = _NUMBERS[option][1] if option in _NUMBERS else " or ".join(choices) or "a whole number"
    raise ValueError(f"{option} takes {expected}, not '{value}'")
