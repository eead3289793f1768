"""The error bodies of the API: shapes, codes, reasons and metadata keys as it sends them.

Two envelopes are in use: the older holds `errors`, `code` and `message`; the newer adds `status` and `details`
(google.rpc.ErrorInfo and others). The status code alone does not say what happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from atlas.quota.buckets import Bucket
from youtube_sandbox.quota import day_start

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = [
    "BLOCKED",
    "GATEWAY",
    "ApiError",
    "backend_error",
    "bad_parameter",
    "bad_value",
    "daily_limit",
    "gateway_refusal",
    "invalid",
    "invalid_page_token",
    "key_blocked",
    "key_invalid",
    "missing",
    "per_day_429",
    "playlist_not_found",
    "quota_exceeded",
    "quota_spent",
    "rate_limit_403",
    "rate_limit_429",
    "unavailable_403",
    "unregistered",
]

_INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"
_HELP: Final = "type.googleapis.com/google.rpc.Help"
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
_SERVICE: Final = "youtube.googleapis.com"

# bucket → (metric as people read it, metric, limit a day, limit a minute)
_METRICS: Final = {
    Bucket.SEARCH: (
        "Search Queries",
        "search_list",
        "defaultSearchListPerDayPerProject",
        "SearchListPerMinutePerProject",
    ),
    Bucket.UNITS: ("Queries", "default", "defaultPerDayPerProject", "defaultPerMinutePerProject"),
    Bucket.BATCH: (
        "Video Batch Get Stats Queries",
        "videos_batch_get_stats",
        "defaultVideosBatchGetStatsPerDayPerProject",
        "VideosBatchGetStatsPerMinutePerProject",
    ),
}


@dataclass
class ApiError(Exception):
    """An answer that refuses a call.

    Attributes:
        status: the HTTP status.
        reason: the telling reason, as the log names it.
        body: the JSON document.
        headers: what the answer adds to the usual headers.
    """

    status: int
    reason: str
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def _error(
    code: int,
    reason: str,
    message: str,
    *,
    domain: str | None = "global",
    status: str | None = None,
    details: list[dict[str, Any]] | None = None,
    location: str | None = None,
    location_type: str = "parameter",
    named: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> ApiError:
    entry = {"message": message, "reason": reason, **(extra or {})}
    if domain:
        entry["domain"] = domain
    if location:
        entry |= {"location": location, "locationType": location_type}
    error: dict[str, Any] = {"code": code, "message": message, "errors": [entry]}
    if status:
        error["status"] = status
    if details:
        error["details"] = details
    return ApiError(code, named or reason, {"error": error})


def _info(reason: str, **metadata: str) -> dict[str, Any]:
    return {"@type": _INFO, "reason": reason, "domain": "googleapis.com", "metadata": {"service": _SERVICE, **metadata}}


# Quota and rates -------------------------------------------------------------------------------------------------


def quota_spent(bucket: Bucket, project: str, limit: int, at: datetime) -> ApiError:
    """A day's allowance is spent: 403 quotaExceeded for units, the newer 429 that names the day for the two others."""
    return quota_exceeded() if bucket is Bucket.UNITS else per_day_429(bucket, project, limit, at)


def per_day_429(bucket: Bucket, project: str, limit: int, at: datetime) -> ApiError:
    """The 429 that a new address does not help against: it names a limit per day and project.

    Args:
        bucket: whose allowance is spent.
        project: the project's number.
        limit: calls a day.
        at: now; the body tells when the quota day began.
    """
    shown, metric, day_limit, _ = _METRICS[bucket]
    message = (
        f"Quota exceeded for quota metric '{shown}' and limit '{shown} per day' of service '{_SERVICE}' "
        f"for consumer 'project_number:{project}'."
    )
    info = _info(
        "RATE_LIMIT_EXCEEDED",
        consumer=f"projects/{project}",
        quota_limit=day_limit,
        quota_limit_value=str(limit),
        quota_location="global",
        quota_metric=f"{_SERVICE}/{metric}",
        quota_unit="1/d/{project}",
        window_start_time=str(int(day_start(at).timestamp())),
    )
    return _error(
        429, "rateLimitExceeded", message, status="RESOURCE_EXHAUSTED", details=[info], named="rateLimitExceeded/day"
    )


def rate_limit_429(bucket: Bucket, project: str) -> ApiError:
    """The 429 of a caller that is too fast: a limit per minute."""
    shown, metric, _, minute_limit = _METRICS[bucket]
    message = (
        f"Quota exceeded for quota metric '{shown}' and limit '{shown} per minute' of service '{_SERVICE}' "
        f"for consumer 'project_number:{project}'."
    )
    info = _info(
        "RATE_LIMIT_EXCEEDED",
        consumer=f"projects/{project}",
        quota_limit=minute_limit,
        quota_limit_value="1800",
        quota_location="global",
        quota_metric=f"{_SERVICE}/{metric}",
        quota_unit="1/min/{project}",
    )
    return _error(429, "rateLimitExceeded", message, status="RESOURCE_EXHAUSTED", details=[info])


def rate_limit_403(reason: str = "userRateLimitExceeded") -> ApiError:
    """The older way to say too fast: 403 userRateLimitExceeded or rateLimitExceeded."""
    return _error(403, reason, "The request rate is above the limit that is set for this caller.", domain="usageLimits")


def quota_exceeded() -> ApiError:
    """The day's units are spent, as it is said today."""
    message = (
        "This request cannot be answered: your project has used up its "
        '<a href="/youtube/v3/getting-started#quota">quota</a>.'
    )
    return _error(403, "quotaExceeded", message, domain="youtube.quota")


def daily_limit() -> ApiError:
    """The day's units are spent, as it was said in earlier years."""
    message = (
        "Daily Limit Exceeded: the quota comes back at midnight Pacific Time. See the API Console for your limits."
    )
    return _error(403, "dailyLimitExceeded", message, domain="usageLimits")


# Keys ------------------------------------------------------------------------------------------------------------


def key_invalid() -> ApiError:
    """There is no such key."""
    message = "API key not valid. A valid API key has to be passed."
    info = _info("API_KEY_INVALID")
    return _error(400, "badRequest", message, status="INVALID_ARGUMENT", details=[info], named="API_KEY_INVALID")


_CALLS: Final = {
    Bucket.SEARCH: "V3DataSearchService.List",
    Bucket.UNITS: "V3DataVideoService.List",
    Bucket.BATCH: "V3DataVideoService.BatchGetStats",
}

BLOCKED: Final = (
    "API_KEY_SERVICE_BLOCKED",
    "API_KEY_HTTP_REFERRER_BLOCKED",
    "API_KEY_IP_ADDRESS_BLOCKED",
    "CONSUMER_SUSPENDED",
    "SERVICE_DISABLED",
)
"""Why a key that exists may not be used."""


def key_blocked(reason: str, bucket: Bucket, project: str) -> ApiError:
    """The key exists but may not be used, for one of the reasons in BLOCKED."""
    info = _info(reason, consumer=f"projects/{project}")
    if reason == "SERVICE_DISABLED":
        console = f"https://console.developers.google.com/apis/api/{_SERVICE}/overview?project={project}"
        message = (
            f"YouTube Data API v3 was never used in project {project}, or it is disabled. Enable it at {console} and "
            "try again; an API that was enabled just now needs a few minutes."
        )
        links = [{"description": "Google developers console API activation", "url": console}]
        return _error(
            403,
            "accessNotConfigured",
            message,
            domain="usageLimits",
            status="PERMISSION_DENIED",
            details=[{"@type": _HELP, "links": links}, info],
            extra={"extendedHelp": "https://console.developers.google.com"},
            named=reason,
        )
    message = {
        "API_KEY_SERVICE_BLOCKED": f"Requests to this API youtube method youtube.api.v3.{_CALLS[bucket]} are blocked.",
        "API_KEY_HTTP_REFERRER_BLOCKED": "Requests from referer <empty> are blocked.",
        "API_KEY_IP_ADDRESS_BLOCKED": "The calling address is not among those that this API key may be used from.",
        "CONSUMER_SUSPENDED": f"Permission denied: Consumer 'project_number:{project}' has been suspended.",
    }[reason]
    return _error(403, "forbidden", message, status="PERMISSION_DENIED", details=[info], named=reason)


GATEWAY: Final = {
    "address": "The provided API key has an IP address restriction. The calling address violates this restriction.",
    "project": "Project {project} has been deleted.",
    "credentials": "Request had invalid authentication credentials.",
}
"""What the gateway says of a key or project without an ErrorInfo, by what is wrong."""


def gateway_refusal(what: str, project: str) -> ApiError:
    """A refusal of Google's gateway whose reason says nothing: only its domain and its words do."""
    message = GATEWAY[what].format(project=project)
    if what == "credentials":
        return _error(401, "authError", message, status="UNAUTHENTICATED")
    return _error(403, "forbidden", message, status="PERMISSION_DENIED")


def unregistered() -> ApiError:
    """No key at all."""
    message = (
        "Method doesn't allow unregistered callers (callers whose identity is not established). Pass an API key, or "
        "another identity of an API consumer, to call this API."
    )
    return _error(403, "forbidden", message, status="PERMISSION_DENIED", named="unregistered")


# Requests --------------------------------------------------------------------------------------------------------


def invalid(reason: str, message: str, *, domain: str, location: str, location_type: str = "parameter") -> ApiError:
    """A parameter that cannot be used, in the older envelope."""
    return _error(400, reason, message, domain=domain, location=location, location_type=location_type)


def bad_parameter(name: str) -> ApiError:
    """YouTube's own refusal of a parameter's value."""
    reason = f"invalid{name[0].upper()}{name[1:]}"
    return invalid(reason, f"Invalid value for {name}.", domain="youtube.parameter", location=name)


def missing(name: str) -> ApiError:
    """A required parameter is not there."""
    return _error(400, "required", f"Required parameter: {name}", location=name)


def bad_value(field_name: str, description: str) -> ApiError:
    """A parameter whose text is not of its type, in the newer envelope.

    Args:
        field_name: the parameter as Google's protocol buffers write it, such as published_after.
        description: what is wrong with it.
    """
    message = f"Invalid value at '{field_name}' {description}"
    violation = {"field": field_name, "description": message}
    details = [{"@type": _BAD_REQUEST, "fieldViolations": [violation]}]
    return _error(400, "invalid", message, domain=None, status="INVALID_ARGUMENT", details=details)


def invalid_page_token() -> ApiError:
    """A page token that is no token, or one of other parameters."""
    message = "The request specifies a page token that is invalid."
    return _error(400, "invalidPageToken", message, domain="youtube.parameter", location="pageToken")


def playlist_not_found() -> ApiError:
    """There is no such playlist."""
    message = "The playlist that the request's <code>playlistId</code> parameter names cannot be found."
    return _error(404, "playlistNotFound", message, domain="youtube.playlistItem", location="playlistId")


# Google's own trouble --------------------------------------------------------------------------------------------


def backend_error(status: int) -> ApiError:
    """500 or 503 of the API itself."""
    return _error(status, "backendError", "Backend Error")


def unavailable_403() -> ApiError:
    """A 403 that has nothing to do with the caller, although its status says so."""
    error = _error(
        403, "SERVICE_UNAVAILABLE", "Permission denied.", domain="youtube.CoreErrorDomain", status="PERMISSION_DENIED"
    )
    error.body["error"]["message"] = "The caller does not have permission"
    return error
