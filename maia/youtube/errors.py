"""The errors of the YouTube Data API: its status code alone does not say what to do.

YouTubeError
├── QuotaExhausted        the day's quota of one bucket is spent: suspend the bucket for that key, rotate
├── RateLimited           too fast, per minute or per user: churn
├── KeyRefused            suspend the key, rotate
│   ├── KeyInvalid        the key is wrong or expired
│   └── KeyBlocked        the key may not be used here, or its project not at all
├── BadRequest            the request is wrong: skip the item, or name the setting that `parameter` comes from
│   └── Forbidden         YouTube refuses the item to every key: skip it
├── PageTokenInvalid      begin that search again
├── NotFound              YouTube has no such item: skip it
├── TransientError        worth another try, all of them after a pause
│   ├── ServerError       5xx
│   ├── Malformed         not the expected answer, or not from the API
│   └── NetworkError      no complete answer arrived
└── Stopped               not made, because the run is ending

`classify` is the only reader of error bodies. All other code decides by type. No error contains a key, and
quotes from an answer are scrubbed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from atlas.figures import shortened
from atlas.quota.buckets import Bucket
from atlas.redaction import scrub
from maia.errors import MaiaError
from maia.youtube.decoding import ErrorBody, retry_after_of

__all__ = [
    "BadRequest", "Forbidden", "KeyBlocked", "KeyInvalid", "KeyRefused", "Malformed", "NetworkError", "NotFound",
    "PageTokenInvalid", "QuotaExhausted", "RateLimited", "ServerError", "Stopped", "TransientError", "YouTubeError",
    "classify",
]  # fmt: skip

_MAX_QUOTE: Final = 300
_CUT_WORD: Final = re.compile(r"\S{1,300}\Z")


class YouTubeError(MaiaError):
    """A call to the YouTube Data API failed. `quote` is YouTube's own message on one short line."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        self.quote = _quotable(detail)
        super().__init__(scrub(f"{message} YouTube says: {self.quote}" if self.quote else message))

    @property
    def cause(self) -> str:
        """The error in a few words, for grouping: the HTTP status and YouTube's reason if it answered."""
        return str(self).removesuffix(f" YouTube says: {self.quote}")

    @property
    def outcome(self) -> str:
        """The kind of the error as metrics name it, such as ``rate_limited``."""
        return re.sub(r"(?<!^)([A-Z])", r"_\1", type(self).__name__).lower()


class QuotaExhausted(YouTubeError):
    """The day's quota of `bucket` is spent, until midnight Pacific.

    `project` is the number of the key's Google Cloud project and `limit` its calls a day, where the answer names them.
    """

    def __init__(
        self, bucket: Bucket, project: str | None = None, limit: int | None = None, *, detail: str = ""
    ) -> None:
        self.bucket = bucket
        self.project = project
        self.limit = limit
        whose = f"project {project}" if project else "this key's project"
        allowed = f" ({limit} a day)" if limit is not None else ""
        super().__init__(
            f"Today's '{bucket}' quota of {whose} is spent{allowed}; it comes back at midnight Pacific. "
            "Other keys of the same project share it, and a new address changes nothing.",
            detail=detail,
        )


class RateLimited(YouTubeError):
    """Too many calls in a short time. `retry_after`: seconds, where YouTube names them."""

    def __init__(
        self, retry_after: float | None = None, *, bucket: Bucket | None = None, status: int = 429,
        reason: str = "", detail: str = "",
    ) -> None:  # fmt: skip
        self.retry_after = retry_after
        self.bucket = bucket
        self.status, self.reason = status, reason
        calls = f"'{bucket}' calls" if bucket is not None else "Calls"
        wait = f" for {retry_after:.0f} s" if retry_after is not None else ""
        what = f"HTTP {status} {reason}".rstrip()
        super().__init__(f"{what}: {calls} came too fast for YouTube; ask nothing{wait}.", detail=detail)


class KeyRefused(YouTubeError):
    """The key is refused, or its project. `why` is Google's reason, with its message where that says too little."""

    def __init__(self, message: str, reason: str, project: str | None, detail: str) -> None:
        super().__init__(message, detail=detail)
        self.reason = reason
        self.project = project
        # API_KEY_INVALID is enough, "forbidden" is not
        self.why = reason if reason.isupper() or not self.quote else f"{reason}: {self.quote}"


class KeyInvalid(KeyRefused):
    """Google does not know the key."""

    def __init__(self, reason: str, *, project: str | None = None, detail: str = "") -> None:
        message = f"The API key is wrong, deleted or expired ({reason}). Correct it in YOUTUBE_API_KEY_POOL_JSON."
        super().__init__(message, reason, project, detail)


class KeyBlocked(KeyRefused):
    """The key may not be used: restricted, its project deleted or suspended, or the API not enabled there."""

    def __init__(self, reason: str, *, project: str | None = None, detail: str = "") -> None:
        where = f" of project {project}" if project else ""
        super().__init__(
            f"The API key{where} may not be used ({reason}). In the Google Cloud console: check that the project "
            "exists and is active, enable the YouTube Data API v3, and lift restrictions of the key to addresses, "
            "referrers or other APIs.",
            reason,
            project,
            detail,
        )


class BadRequest(YouTubeError):
    """YouTube refuses the request as it stands. `parameter` is the one that it names, such as "regionCode"."""

    def __init__(self, reason: str, *, status: int = 400, parameter: str | None = None, detail: str = "") -> None:
        self.reason = reason
        self.status = status
        self.parameter = parameter
        super().__init__(f"YouTube refuses the request ({status} {reason}); the item is skipped.", detail=detail)

    @property
    def cause(self) -> str:
        return f"{self.status} {self.reason}"


class Forbidden(BadRequest):
    """YouTube itself refuses the item to every API key; the key is fine."""

    def __init__(self, reason: str, *, status: int = 403, detail: str = "") -> None:
        super().__init__(reason, status=status, detail=detail)


class PageTokenInvalid(YouTubeError):
    """The page token is not accepted. YouTube refuses good tokens too: begin again from page 1."""

    def __init__(self, *, detail: str = "") -> None:
        super().__init__("YouTube does not accept the page token; begin again from the first page.", detail=detail)


class NotFound(YouTubeError):
    """YouTube has no such item."""

    def __init__(self, reason: str = "notFound", *, detail: str = "") -> None:
        self.reason = reason
        super().__init__(f"YouTube has no such thing ({reason}); the item is skipped.", detail=detail)

    @property
    def cause(self) -> str:
        return f"404 {self.reason}"


class TransientError(YouTubeError):
    """Another try may well succeed. `retry_after`: seconds, where YouTube names them."""

    retry_after: float | None = None


class ServerError(TransientError):
    """YouTube failed at its end: `status` is 5xx, or 408."""

    def __init__(self, status: int, *, reason: str = "", retry_after: float | None = None, detail: str = "") -> None:
        self.status = status
        self.reason = reason
        self.retry_after = retry_after
        super().__init__(f"YouTube failed with status {status}; try again later.", detail=detail)

    @property
    def cause(self) -> str:
        return f"{self.status} {self.reason}".rstrip()


class Malformed(TransientError):
    """An answer that is not the API's, whatever its status, or of status 200 and cannot be read."""


class NetworkError(TransientError):
    """No whole answer came. `reached`: whether the request may have arrived, and so may have been counted."""

    def __init__(self, message: str, *, reached: bool) -> None:
        self.reached = reached
        super().__init__(message)


class Stopped(YouTubeError):
    """The call was not made, because a shutdown was requested before its turn came."""

    def __init__(self) -> None:
        super().__init__("Not asked: the run is to end.")


_QUOTA_REASONS: Final = frozenset({"quotaExceeded", "dailyLimitExceeded"})
_RATE_REASONS: Final = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "concurrentLimitExceeded", "RATE_LIMIT_EXCEEDED"}
)

# Reasons of Google's API gateway (google.api.ErrorReason) and their older words. All of them are about the key or its
# project, never about the item that was asked for.
_INVALID_REASONS: Final = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "keyInvalid", "keyExpired"})
_BLOCKED_REASONS: Final = frozenset(
    {
        "BILLING_DISABLED", "CONSUMER_INVALID", "CONSUMER_SUSPENDED", "RESOURCE_PROJECT_INVALID", "SERVICE_DISABLED",
        "USER_PROJECT_DENIED", "accessNotConfigured", "dailyLimitExceededUnreg", "ipRefererBlocked",
    }
)  # fmt: skip
_BLOCKED_PATTERN: Final = re.compile(r"API_KEY_[A-Z_]+_BLOCKED")
# For bodies without details, whose reason is a bare "forbidden" or "badRequest".
_INVALID_TEXT: Final = re.compile(r"API key (?:not valid|not found|expired)", re.IGNORECASE)
_BLOCKED_TEXT: Final = re.compile(
    r"unregistered callers|missing a valid API key|^Requests (?:from|to) .* are blocked|has been suspended"
    r"|has not been used in project",
    re.IGNORECASE,
)


def classify(status: int, body: bytes, headers: Mapping[str, str], bucket: Bucket) -> YouTubeError:
    """Return what an answer other than 200 means, whatever its body is. Never raises.

    Of `headers` (names in any case) only Retry-After is read. `bucket` is the one that the call was counted in.
    """
    error = ErrorBody.read(body)
    retry_after = retry_after_of(headers, error)
    if status == 408 or status >= 500:
        return ServerError(status, reason=error.reason or "", retry_after=retry_after, detail=error.message)
    if status == 429 or (status == 403 and error.reasons & (_QUOTA_REASONS | _RATE_REASONS)):
        # The same words stand for both: a search's day limit comes as 429 rateLimitExceeded.
        day = error.per_day if error.per_day is not None else bool(error.reasons & _QUOTA_REASONS)
        if day:
            return QuotaExhausted(bucket, error.project, error.limit, detail=error.message)
        # the word that YouTube's documentation has, rather than its gateway's RATE_LIMIT_EXCEEDED beside it
        reason = next(iter(sorted(error.reasons & _RATE_REASONS, key=str.isupper)), error.reason or "")
        return RateLimited(retry_after, bucket=bucket, status=status, reason=reason, detail=error.message)
    return (status in {400, 401, 403} and _about_the_key(status, error)) or _about_the_request(status, error)


def _about_the_key(status: int, error: ErrorBody) -> YouTubeError | None:
    # YouTube's own reasons concern the item; those of the gateway concern the key and the project.
    reasons = error.gateway_reasons
    if invalid := sorted(reasons & _INVALID_REASONS):
        return KeyInvalid(invalid[0], project=error.project, detail=error.message)
    if blocked := sorted(r for r in reasons if r in _BLOCKED_REASONS or _BLOCKED_PATTERN.fullmatch(r)):
        # Capitals come first: SERVICE_DISABLED rather than the older accessNotConfigured beside it.
        return KeyBlocked(blocked[0], project=error.project, detail=error.message)
    if error.from_youtube:
        return None
    if _INVALID_TEXT.search(error.message):
        return KeyInvalid(error.reason or "badRequest", project=error.project, detail=error.message)
    if _BLOCKED_TEXT.search(error.message):
        return KeyBlocked(error.reason or "forbidden", project=error.project, detail=error.message)
    if status == 400 or not (error.reason or error.message):
        return None
    # 401 and 403 of the gateway never concern what was asked for, whatever the words: an address that the key is not
    # for, a deleted project, credentials that it does not take.
    kind = KeyInvalid if status == 401 else KeyBlocked
    return kind(error.reason or "forbidden", project=error.project, detail=error.message)


def _about_the_request(status: int, error: ErrorBody) -> YouTubeError:
    says_nothing = status in {401, 403} and not (error.reason or error.message)
    if says_nothing or (not error.understood and status not in {400, 413, 414}):
        # A proxy, a front end that blocks this address, another server: the API always says why. Nothing is known about
        # the item, which a NotFound or Forbidden would set aside.
        return Malformed(f"An answer of status {status} that is not the API's. Is YOUTUBE_API_BASE_URL right?")
    if "invalidPageToken" in error.reasons:
        return PageTokenInvalid(detail=error.message)
    if status == 404:
        return NotFound(error.reason or "notFound", detail=error.message)
    if status in {401, 403}:
        # Such as the 403 with reason SERVICE_UNAVAILABLE in domain youtube.CoreErrorDomain, "The caller does not have
        # permission": neither the key (it works for everything else) nor worth three calls now. Whatever this item was
        # asked for comes up again in a later cycle, and that is the retry, should it be an outage after all.
        return Forbidden(error.reason or "forbidden", status=status, detail=error.message)
    return BadRequest(error.reason or "no reason given", status=status, parameter=error.parameter, detail=error.message)


def _quotable(text: str) -> str:
    """`text` on one line, without markup and secrets, and not too long."""
    if len(text) > 10 * _MAX_QUOTE:
        text = _CUT_WORD.sub("", text[: 10 * _MAX_QUOTE])
    plain = " ".join(re.sub(r"<[^<>]{0,300}>", "", text).split())
    # Scrubbed before it is cut: half a key would no longer look like one.
    return shortened(scrub("".join(c for c in plain if c.isprintable())), _MAX_QUOTE)
