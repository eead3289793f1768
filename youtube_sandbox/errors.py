"""Error bodies of the API, with the shapes, codes, reasons and metadata keys that it sends.

The older envelope holds `errors`, `code` and `message`; the newer one adds `status` and `details` (google.rpc). The
HTTP status alone does not say what happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from atlas.quota.buckets import Bucket, quota_start

if TYPE_CHECKING:
    from datetime import datetime

_SERVICE: Final = "youtube.googleapis.com"


class _Metric(NamedTuple):
    """How Google names a quota bucket."""

    shown: str
    name: str
    per_day: str
    per_minute: str
    method: str


_METRICS: Final = {
    Bucket.SEARCH: _Metric(
        "Search Queries", "search_list", "defaultSearchListPerDayPerProject", "SearchListPerMinutePerProject",
        "V3DataSearchService.List",
    ),
    Bucket.UNITS: _Metric(
        "Queries", "default", "defaultPerDayPerProject", "defaultPerMinutePerProject", "V3DataVideoService.List",
    ),
    Bucket.BATCH: _Metric(
        "Video Batch Get Stats Queries", "videos_batch_get_stats", "defaultVideosBatchGetStatsPerDayPerProject",
        "VideosBatchGetStatsPerMinutePerProject", "V3DataVideoService.BatchGetStats",
    ),
}  # fmt: skip


@dataclass
class ApiError(Exception):
    """An answer that refuses a call; `reason` is as the log names it, `headers` are those beyond the usual ones."""

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
    location: str | None = None,
    location_type: str = "parameter",
    status: str | None = None,
    details: list[dict[str, Any]] | None = None,
    log_reason: str | None = None,
) -> ApiError:
    entry: dict[str, Any] = {"message": message, "reason": reason}
    if domain:
        entry["domain"] = domain
    if location:
        entry |= {"location": location, "locationType": location_type}
    newer = {name: part for name, part in (("status", status), ("details", details)) if part}
    error = {"code": code, "message": message, "errors": [entry], **newer}
    return ApiError(code, log_reason or reason, {"error": error})


def _info(reason: str, **metadata: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": _SERVICE, **metadata},
    }


_FIXED: Final = {
    "quota": (
        403, "quotaExceeded", "youtube.quota", None,
        "This request cannot be answered: your project has used up its "
        '<a href="/youtube/v3/getting-started#quota">quota</a>.',
    ),
    "daily-limit": (
        403, "dailyLimitExceeded", "usageLimits", None,
        "Daily Limit Exceeded: the quota comes back at midnight Pacific Time. See the API Console for your limits.",
    ),
    "page-token": (
        400, "invalidPageToken", "youtube.parameter", "pageToken",
        "The request specifies a page token that is invalid.",
    ),
    "not-found": (
        404, "playlistNotFound", "youtube.playlistItem", "playlistId",
        "The playlist that the request's <code>playlistId</code> parameter names cannot be found.",
    ),
    "backend-500": (500, "backendError", "global", None, "Backend Error"),
    "backend-503": (503, "backendError", "global", None, "Backend Error"),
}  # fmt: skip
"""Refusals in the older envelope that are the same for every caller: code, reason, domain, location, message."""


def refusal(name: str) -> ApiError:
    """Return one of the fixed refusals; daily-limit is the body of earlier years."""
    code, reason, domain, location, message = _FIXED[name]
    return _error(code, reason, message, domain=domain, location=location)


def quota_spent(bucket: Bucket, project: str, limit: int, at: datetime) -> ApiError:
    """Refuse because a day's allowance is spent: 403 for units, for the two others a 429 that names the day."""
    if bucket is Bucket.UNITS:
        return refusal("quota")
    metadata = {
        "quota_limit_value": str(limit),
        "quota_unit": "1/d/{project}",
        "window_start_time": str(int(quota_start(at).timestamp())),
    }
    return _limit_429(bucket, project, "day", "rateLimitExceeded/day", metadata)


def rate_limit_429(bucket: Bucket, project: str) -> ApiError:
    """Refuse a caller that exceeds a limit per minute."""
    metadata = {"quota_limit_value": "1800", "quota_unit": "1/min/{project}"}
    return _limit_429(bucket, project, "minute", "rateLimitExceeded", metadata)


def _limit_429(bucket: Bucket, project: str, period: str, log_reason: str, metadata: dict[str, str]) -> ApiError:
    metric = _METRICS[bucket]
    message = (
        f"Quota exceeded for quota metric '{metric.shown}' and limit '{metric.shown} per {period}' of service "
        f"'{_SERVICE}' for consumer 'project_number:{project}'."
    )
    info = _info(
        "RATE_LIMIT_EXCEEDED",
        consumer=f"projects/{project}",
        quota_limit=metric.per_day if period == "day" else metric.per_minute,
        quota_location="global",
        quota_metric=f"{_SERVICE}/{metric.name}",
        **metadata,
    )
    return _error(429, "rateLimitExceeded", message, status="RESOURCE_EXHAUSTED", details=[info], log_reason=log_reason)


RATES: Final = ("userRateLimitExceeded", "rateLimitExceeded")
"""Reasons of the older refusal of a caller that is too fast."""


def rate_limit_403(reason: str) -> ApiError:
    """Refuse a caller that is too fast in the older way; `reason` is one of RATES."""
    return _error(403, reason, "The request rate is above the limit that is set for this caller.", domain="usageLimits")


def key_invalid() -> ApiError:
    """Refuse a key that does not exist."""
    message, details = "API key not valid. A valid API key has to be passed.", [_info("API_KEY_INVALID")]
    return _error(400, "badRequest", message, status="INVALID_ARGUMENT", details=details, log_reason="API_KEY_INVALID")


_BLOCKED: Final = {
    "API_KEY_SERVICE_BLOCKED": "Requests to this API youtube method youtube.api.v3.{method} are blocked.",
    "API_KEY_HTTP_REFERRER_BLOCKED": "Requests from referer <empty> are blocked.",
    "API_KEY_IP_ADDRESS_BLOCKED": "The calling address is not among those that this API key may be used from.",
    "CONSUMER_SUSPENDED": "Permission denied: Consumer 'project_number:{project}' has been suspended.",
    "SERVICE_DISABLED": "YouTube Data API v3 was never used in project {project}, or it is disabled. Enable it at "
    "{url} and try again; an API that was enabled just now needs a few minutes.",
}
BLOCKED: Final = tuple(_BLOCKED)
"""Why a key that exists may not be used."""


def key_blocked(reason: str, bucket: Bucket, project: str) -> ApiError:
    """Refuse a key that exists but may not be used; `reason` is one of BLOCKED."""
    console = f"https://console.developers.google.com/apis/api/{_SERVICE}/overview?project={project}"
    message = _BLOCKED[reason].format(method=_METRICS[bucket].method, project=project, url=console)
    info = _info(reason, consumer=f"projects/{project}")
    if reason != "SERVICE_DISABLED":
        return _error(403, "forbidden", message, status="PERMISSION_DENIED", details=[info], log_reason=reason)
    links = [{"description": "Google developers console API activation", "url": console}]
    details = [{"@type": "type.googleapis.com/google.rpc.Help", "links": links}, info]
    error = _error(
        403, "accessNotConfigured", message, domain="usageLimits", status="PERMISSION_DENIED", details=details,
        log_reason=reason,
    )  # fmt: skip
    error.body["error"]["errors"][0]["extendedHelp"] = "https://console.developers.google.com"
    return error


GATEWAY: Final = {
    "address": "The provided API key has an IP address restriction. The calling address violates this restriction.",
    "project": "Project {project} has been deleted.",
    "credentials": "Request had invalid authentication credentials.",
}
"""What the gateway says of a key or project without an ErrorInfo, by what is wrong."""


def gateway_refusal(what: str, project: str) -> ApiError:
    """Refuse as Google's gateway does: only the domain and the message say why; `what` is a key of GATEWAY."""
    message = GATEWAY[what].format(project=project)
    if what == "credentials":
        return _error(401, "authError", message, status="UNAUTHENTICATED")
    return _error(403, "forbidden", message, status="PERMISSION_DENIED")


def unregistered() -> ApiError:
    """Refuse a call without a key."""
    message = (
        "Method doesn't allow unregistered callers (callers whose identity is not established). Pass an API key, or "
        "another identity of an API consumer, to call this API."
    )
    return _error(403, "forbidden", message, status="PERMISSION_DENIED", log_reason="unregistered")


def invalid(reason: str, message: str, *, domain: str, location: str, location_type: str = "parameter") -> ApiError:
    """Refuse a parameter in the older envelope."""
    return _error(400, reason, message, domain=domain, location=location, location_type=location_type)


def bad_parameter(name: str) -> ApiError:
    """Refuse the value of a parameter such as regionCode."""
    reason = f"invalid{name[0].upper()}{name[1:]}"
    return invalid(reason, f"Invalid value for {name}.", domain="youtube.parameter", location=name)


def missing(name: str) -> ApiError:
    """Refuse a call without a required parameter."""
    return _error(400, "required", f"Required parameter: {name}", location=name)


def bad_value(field_name: str, description: str) -> ApiError:
    """Refuse a text that is not of its parameter's type, in the newer envelope.

    `field_name` is the parameter as Google's protocol buffers write it, such as published_after.
    """
    message = f"Invalid value at '{field_name}' {description}"
    violation = {"field": field_name, "description": message}
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]
    return _error(400, "invalid", message, domain=None, status="INVALID_ARGUMENT", details=details)


def unavailable_403() -> ApiError:
    """Fail with a 403 that is Google's fault, although its status says otherwise."""
    domain = "youtube.CoreErrorDomain"
    error = _error(403, "SERVICE_UNAVAILABLE", "Permission denied.", domain=domain, status="PERMISSION_DENIED")
    error.body["error"]["message"] = "The caller does not have permission"
    return error
