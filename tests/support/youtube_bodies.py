"""Bodies as YouTube writes them, in our own words: both error envelopes, and answers of each list method."""

import json
from typing import Any

ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
HELP = "type.googleapis.com/google.rpc.Help"


def legacy(code: int, reason: str, message: str = "It did not work.", domain: str = "global", **entry: str) -> bytes:
    """The older envelope: no `status`, no `details`."""
    errors = [{"domain": domain, "reason": reason, "message": message, **entry}]
    return json.dumps({"error": {"errors": errors, "code": code, "message": message}}).encode()


def current(
    code: int,
    reason: str,
    info: str | None,
    message: str = "It did not work.",
    *,
    domain: str = "global",
    info_domain: str = "googleapis.com",
    status: str = "PERMISSION_DENIED",
    details: tuple[dict[str, Any], ...] = (),
    **metadata: str,
) -> bytes:
    """The current envelope; `info` and `metadata` are those of its ErrorInfo."""
    parts: list[dict[str, Any]] = [{"@type": HELP, "links": [{"description": "Console", "url": "https://example.org"}]}]
    if info is not None:
        parts.append({"@type": ERROR_INFO, "reason": info, "domain": info_domain, "metadata": metadata})
    error = {
        "code": code,
        "message": message,
        "errors": [{"message": message, "domain": domain, "reason": reason}],
        "status": status,
        "details": [*parts, *details],
    }
    return json.dumps({"error": error}).encode()


def over_limit(code: int = 429, *, message: str = "Quota exceeded.", **metadata: str) -> bytes:
    """What every limit looks like: only the metadata or the message tell which."""
    return current(code, "rateLimitExceeded", "RATE_LIMIT_EXCEEDED", message, status="RESOURCE_EXHAUSTED", **metadata)


def search_day_spent(project: str = "123456789012", limit: str = "100") -> bytes:
    """The day quota of search.list, as it has come since 2026-06."""
    return over_limit(
        message="Quota exceeded for quota metric 'Search Queries' and limit 'Search Queries per day' of service "
        f"'youtube.googleapis.com' for consumer 'project_number:{project}'.",
        quota_unit="1/d/{project}",
        quota_limit="defaultSearchListPerDayPerProject",
        quota_limit_value=limit,
        consumer=f"projects/{project}",
    )


def too_fast() -> bytes:
    """A limit per minute."""
    return over_limit(
        message="Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user'.",
        quota_unit="1/min/{project}/{user}",
        quota_limit="defaultPerMinutePerUser",
        quota_limit_value="1800",
    )


def units_day_spent() -> bytes:
    """The day quota of everything that is counted in units."""
    return legacy(403, "quotaExceeded", 'You have exceeded your <a href="/quota">quota</a>.', "youtube.quota")


def key_invalid(message: str = "API key not valid. Please pass a valid API key.") -> bytes:
    """A wrong key."""
    return current(400, "badRequest", "API_KEY_INVALID", message, status="INVALID_ARGUMENT")


def key_blocked(info: str = "API_KEY_IP_ADDRESS_BLOCKED", project: str = "123456789012") -> bytes:
    """A key that is not allowed here."""
    return current(403, "forbidden", info, "Not from here.", consumer=f"projects/{project}")


def backend_error(code: int = 503) -> bytes:
    """A failure at YouTube's end."""
    return legacy(code, "backendError", "Backend Error")


def video(id_: str = "vid-0000001", **statistics: str) -> dict[str, Any]:
    """An item of videos.list."""
    return {
        "kind": "youtube#video",
        "etag": "e",
        "id": id_,
        "snippet": {
            "publishedAt": "2026-11-20T10:00:00Z",
            "channelId": "UC_channel-0000000000001",
            "channelTitle": "A channel",
            "title": "A title & more",
            "description": "What it is about.",
            "tags": ["one", "two words"],
            "categoryId": "22",
            "liveBroadcastContent": "none",
            "defaultLanguage": "en",
        },
        "contentDetails": {"duration": "PT4M13S", "caption": "false"},
        "statistics": statistics or {"viewCount": "1200", "likeCount": "34", "commentCount": "5"},
    }


def video_stats(id_: str = "vid-0000001", **statistics: str) -> dict[str, Any]:
    """An item of videos.batchGetStats."""
    return {
        "kind": "youtube#videoStats",
        "id": id_,
        "snippet": {"publishTime": "2026-11-20T10:00:00Z"},
        "statistics": statistics or {"viewCount": "1200", "likeCount": "34", "commentCount": "5"},
        "contentDetails": {"duration": "PT4M13S", "durationMillis": "253120"},
    }


def search_result(id_: str = "vid-0000001", title: str = "Salt &amp; pepper") -> dict[str, Any]:
    """An item of search.list: no tags, no category, no numbers, and the title escaped for HTML."""
    return {
        "kind": "youtube#searchResult",
        "etag": "e",
        "id": {"kind": "youtube#video", "videoId": id_},
        "snippet": {
            "publishedAt": "2026-11-20T10:00:00.000Z",
            "channelId": "UC_channel-0000000000001",
            "channelTitle": "Pots &amp; pans",
            "title": title,
            "description": "What it is about …",
            "liveBroadcastContent": "none",
            "publishTime": "2026-11-20T10:00:00Z",
        },
    }


def listing(kind: str, *items: Any, token: str | None = None) -> bytes:
    """An answer of kind `youtube#{kind}` that holds `items`."""
    body: dict[str, Any] = {"kind": f"youtube#{kind}", "etag": "e", "items": list(items)}
    if token is not None:
        body["nextPageToken"] = token
    return json.dumps(body).encode()


def search_page(*items: Any, token: str | None = None) -> bytes:
    """An answer of search.list."""
    return listing("searchListResponse", *items, token=token)


def video_list(*items: Any) -> bytes:
    """An answer of videos.list."""
    return listing("videoListResponse", *items)
