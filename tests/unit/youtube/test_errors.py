"""Errors are told apart by what they mean: one row for every case that YouTube is known to answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

import maia.youtube
from atlas.quota.buckets import Bucket
from maia.errors import MaiaError
from maia.youtube import (
    BadRequest,
    Forbidden,
    KeyBlocked,
    KeyInvalid,
    Malformed,
    NetworkError,
    NotFound,
    PageTokenInvalid,
    QuotaExhausted,
    RateLimited,
    ServerError,
    Stopped,
    TransientError,
    YouTubeError,
    classify,
)

from ...support import youtube_bodies as bodies

FORBIDDEN_BY_YOUTUBE = bodies.current(
    403, "SERVICE_UNAVAILABLE", None, "The caller may not.", domain="youtube.CoreErrorDomain"
)
FORBIDDEN_BY_INFO = json.dumps({
    "error": {
        "code": 403,
        "message": "The caller may not.",
        "details": [{"reason": "SERVICE_UNAVAILABLE", "domain": "youtube.CoreErrorDomain"}],
    }
}).encode()  # fmt: skip
UNREGISTERED = "Method doesn't allow unregistered callers (callers without established identity)."


@dataclass
class Case:
    name: str
    status: int
    body: bytes
    expected: type[YouTubeError]
    attributes: dict[str, Any] = field(default_factory=dict)


CASES = [
    # search's day quota: 429, and only these marks tell it from a limit per minute
    Case(
        "search day",
        429,
        bodies.search_day_spent("123456789012", "100"),
        QuotaExhausted,
        {"bucket": Bucket.SEARCH, "project": "123456789012", "limit": 100},
    ),
    Case("a limit of zero is a limit", 429, bodies.search_day_spent(limit="0"), QuotaExhausted, {"limit": 0}),
    Case(
        "day by unit alone",
        429,
        bodies.over_limit(quota_unit="1/d/{project}"),
        QuotaExhausted,
        {"project": None},
    ),
    Case("day by limit alone", 429, bodies.over_limit(quota_limit="SearchPerDayPerProject"), QuotaExhausted),
    Case("day by message alone", 429, bodies.over_limit(message="limit 'Queries per day' of it"), QuotaExhausted),
    Case(
        "day in the older envelope, project in the message",
        429,
        bodies.legacy(429, "rateLimitExceeded", "limit 'Uploads per day' for consumer 'project_number:55555'."),
        QuotaExhausted,
        {"project": "55555", "limit": None},
    ),
    Case(
        "a project that is no number",
        429,
        bodies.over_limit(quota_unit="1/d/{project}", consumer="projects/XXXX", quota_limit_value="many"),
        QuotaExhausted,
        {"project": None, "limit": None},
    ),
    Case("day, as 403", 403, bodies.over_limit(403, quota_unit="1/d/{project}"), QuotaExhausted),
    # units' day quota
    Case("units day", 403, bodies.units_day_spent(), QuotaExhausted, {"project": None, "limit": None}),
    Case(
        "units day, older",
        403,
        bodies.legacy(403, "dailyLimitExceeded", "Daily Limit Exceeded.", "usageLimits"),
        QuotaExhausted,
    ),
    Case(
        "quotaExceeded of a minute",
        403,
        bodies.current(403, "quotaExceeded", "RATE_LIMIT_EXCEEDED", quota_unit="1/min/{project}"),
        RateLimited,
    ),
    # too fast
    Case("per minute", 429, bodies.too_fast(), RateLimited, {"retry_after": None}),
    Case("429 without a word", 429, bodies.over_limit(), RateLimited),
    Case(
        "the unit outweighs the text",
        429,
        bodies.over_limit(message="not the limit per day", quota_unit="1/min/{project}"),
        RateLimited,
    ),
    Case("429 in HTML", 429, b"<html>unusual traffic from your computer network</html>", RateLimited),
    Case("429 with an empty body", 429, b"", RateLimited),
    Case("rate, as 403", 403, bodies.legacy(403, "rateLimitExceeded", domain="usageLimits"), RateLimited),
    Case(
        "user's rate, as 403",
        403,
        bodies.legacy(403, "userRateLimitExceeded", domain="usageLimits"),
        RateLimited,
    ),
    Case(
        "RetryInfo",
        429,
        bodies.current(429, "x", "RATE_LIMIT_EXCEEDED", details=({"@type": bodies.RETRY_INFO, "retryDelay": "7.5s"},)),
        RateLimited,
        {"retry_after": 7.5},
    ),
    # the key is wrong
    Case("wrong key", 400, bodies.key_invalid(), KeyInvalid, {"reason": "API_KEY_INVALID"}),
    Case("wrong key, older", 400, bodies.legacy(400, "keyInvalid", "Bad Request", "usageLimits"), KeyInvalid),
    Case("expired key", 400, bodies.current(400, "badRequest", "API_KEY_EXPIRED"), KeyInvalid),
    Case(
        "wrong key by message",
        400,
        bodies.legacy(400, "badRequest", "API key not valid. Pass one."),
        KeyInvalid,
    ),
    # the key is blocked
    *(
        Case(info, 403, bodies.key_blocked(info), KeyBlocked, {"reason": info, "project": "123456789012"})
        for info in (
            "API_KEY_SERVICE_BLOCKED",
            "API_KEY_HTTP_REFERRER_BLOCKED",
            "API_KEY_IP_ADDRESS_BLOCKED",
            "API_KEY_ANDROID_APP_BLOCKED",
            "CONSUMER_SUSPENDED",
            "CONSUMER_INVALID",
            "SERVICE_DISABLED",
        )
    ),
    Case(
        "API not enabled",
        403,
        bodies.current(403, "accessNotConfigured", "SERVICE_DISABLED", domain="usageLimits", consumer="projects/4711"),
        KeyBlocked,
        {"reason": "SERVICE_DISABLED", "project": "4711"},
    ),
    Case(
        "API not enabled, older",
        403,
        bodies.legacy(403, "accessNotConfigured", "It has not been used in project 4711 before.", "usageLimits"),
        KeyBlocked,
        {"reason": "accessNotConfigured", "project": "4711"},
    ),
    Case("no key", 403, bodies.current(403, "forbidden", None, UNREGISTERED), KeyBlocked),
    Case(
        "blocked by message",
        403,
        bodies.legacy(403, "forbidden", "Requests from referer X are blocked."),
        KeyBlocked,
    ),
    Case(
        "no signup",
        403,
        bodies.legacy(403, "dailyLimitExceededUnreg", "Daily Limit for Unauthenticated Use Exceeded.", "usageLimits"),
        KeyBlocked,
    ),
    # 400 is not about the key
    Case("page token", 400, bodies.legacy(400, "invalidPageToken"), PageTokenInvalid),
    Case(
        "page token, newer",
        400,
        bodies.current(400, "invalidPageToken", None, domain="youtube.parameter", status="INVALID_ARGUMENT"),
        PageTokenInvalid,
    ),
    Case(
        "bad parameter",
        400,
        bodies.legacy(400, "invalidChannelId", domain="youtube.search", location="channelId"),
        BadRequest,
        {"reason": "invalidChannelId", "status": 400, "parameter": "channelId"},
    ),
    Case(
        "YouTube's own word about a parameter is not about our key",
        400,
        bodies.legacy(400, "badRequest", "API key not valid as a search term.", "youtube.search"),
        BadRequest,
    ),
    Case(
        "a parameter that the newer envelope names",
        400,
        bodies.current(
            400,
            "invalid",
            None,
            domain="global",
            status="INVALID_ARGUMENT",
            details=({"fieldViolations": [{"field": "region_code", "description": "Invalid value"}]},),
        ),
        BadRequest,
        {"parameter": "regionCode"},
    ),
    Case(
        "a parameter that only the reason names",
        400,
        bodies.legacy(400, "invalidRelevanceLanguage", domain="youtube.search"),
        BadRequest,
        {"parameter": "relevanceLanguage"},
    ),
    Case("a parameter that is not named", 400, bodies.legacy(400, "badRequest"), BadRequest, {"parameter": None}),
    Case("400 in HTML", 400, b"<html>Your client has issued a malformed request.</html>", BadRequest),
    # 403 that is not about the key
    Case("YouTube's ErrorInfo alone", 403, FORBIDDEN_BY_INFO, Forbidden, {"reason": "SERVICE_UNAVAILABLE"}),
    Case("reason alone says nothing", 403, FORBIDDEN_BY_YOUTUBE, Forbidden, {"reason": "SERVICE_UNAVAILABLE"}),
    Case(
        "private playlist",
        403,
        bodies.legacy(403, "playlistItemsNotAccessible", domain="youtube.playlistItem"),
        Forbidden,
        {"reason": "playlistItemsNotAccessible", "status": 403},
    ),
    Case(
        "a blocked video is not a blocked key",
        403,
        bodies.legacy(403, "forbidden", "Requests to this video are blocked.", "youtube.video"),
        Forbidden,
    ),
    Case(
        "a private channel",
        403,
        bodies.legacy(403, "channelForbidden", "The channel may not be read.", "youtube.channel"),
        Forbidden,
        {"reason": "channelForbidden"},
    ),
    Case(
        "comments are disabled",
        403,
        bodies.legacy(403, "commentsDisabled", "The video has disabled comments.", "youtube.commentThread"),
        Forbidden,
    ),
    Case(
        "YouTube's own 401",
        401,
        bodies.legacy(401, "authorizationRequired", "Not for keys.", "youtube.activity"),
        Forbidden,
        {"status": 401},
    ),
    # 401 and 403 of the gateway are about the key or its project, whatever the words
    *(
        Case(f"gateway: {message}", status, body, expected, {"reason": reason, "quote": message, "project": project})
        for status, reason, message, expected, project in (
            (403, "forbidden", "The provided API key has an IP address restriction.", KeyBlocked, None),
            (403, "forbidden", "Project 123456789012 has been deleted.", KeyBlocked, "123456789012"),
            (403, "insufficientPermissions", "Insufficient Permission", KeyBlocked, None),
            (401, "authError", "Request had invalid authentication credentials.", KeyInvalid, None),
            (401, "required", "Login Required.", KeyInvalid, None),
        )
        for body in (
            bodies.legacy(status, reason, message),
            bodies.current(status, reason, None, message),
        )
    ),
    Case(
        "the gateway, without a list of errors",
        403,
        b'{"error": {"code": 403, "message": "The key has an IP address restriction.", "status": "PERMISSION_DENIED"}}',
        KeyBlocked,
        {"reason": "forbidden"},
    ),
    # nothing there
    Case(
        "no playlist",
        404,
        bodies.legacy(404, "playlistNotFound", domain="youtube.playlistItem"),
        NotFound,
        {"reason": "playlistNotFound"},
    ),
    Case("404 without a reason", 404, b'{"error": {"code": 404}}', NotFound, {"reason": "notFound"}),
    # YouTube's end
    *(
        Case(f"{status} backend", status, bodies.backend_error(status), ServerError, {"status": status})
        for status in (500, 502, 503, 504)
    ),
    Case("5xx in HTML", 502, b"<html>That's an error.</html>", ServerError),
    Case("5xx with a quota reason", 500, bodies.legacy(500, "quotaExceeded"), ServerError),
    Case("408", 408, b"", ServerError, {"status": 408}),
    # not the API
    Case("404 of another server", 404, b"<html>Not Found</html>", Malformed),
    Case("403 of a proxy", 403, b"<html>Forbidden</html>", Malformed),
    Case("403 with an empty body", 403, b"", Malformed),
    Case("redirect", 302, b"", Malformed),
    # envelopes that are none
    *(
        Case(f"403 {body!r}", 403, body, Malformed)
        for body in (
            b"[]",
            b"null",
            b"3",
            b'"text"',
            b"{}",
            b'{"error": "denied"}',
            b'{"error": []}',
            b"\xff\xfe",
            b"{",
        )
    ),
    *(
        # an envelope that says nothing: of the item nothing is known
        Case(f"403 {body!r}", 403, body, Malformed)
        for body in (
            b'{"error": {}}',
            b'{"error": {"errors": "x", "details": "y", "message": 3}}',
            b'{"error": {"errors": [null, 3, {"reason": ["x"]}], "details": [null, {"reason": 3, "metadata": []}]}}',
            b'[{"error": {"code": 403}}]',
        )
    ),
    Case("half a pair", 403, b"\n" + b'{"error": {"message": "half a pair \\ud83d"}}', KeyBlocked),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_error_is_classified_by_its_meaning(case: Case) -> None:
    error = classify(case.status, case.body, {}, Bucket.SEARCH)

    assert type(error) is case.expected
    assert {name: getattr(error, name) for name in case.attributes} == case.attributes
    assert str(error)


@pytest.mark.parametrize("bucket", list(Bucket))
def test_the_bucket_is_the_one_that_was_called(bucket: Bucket) -> None:
    error = classify(403, bodies.units_day_spent(), {}, bucket)

    assert isinstance(error, QuotaExhausted)
    assert error.bucket is bucket
    assert f"'{bucket}'" in str(error)
    assert "midnight Pacific" in str(error)
    assert "<a" not in str(error)


def test_the_shared_refusals_of_the_gateway_are_about_the_key(shared_cases: Path) -> None:
    for body in json.loads((shared_cases / "gateway_refusals.json").read_text())["bodies"]:
        said = body["error"]
        error = classify(said["code"], json.dumps(body).encode(), {}, Bucket.SEARCH)

        assert isinstance(error, KeyInvalid if said["code"] == 401 else KeyBlocked)
        assert error.why == f"{said['errors'][0]['reason']}: {said['message']}"


def test_the_shared_refusal_of_a_region_names_the_parameter(shared_cases: Path) -> None:
    case = json.loads((shared_cases / "one_query_refused.json").read_text())

    error = classify(case["status"], json.dumps(case["body"]).encode(), {}, Bucket.SEARCH)

    assert isinstance(error, BadRequest)
    assert (error.reason, error.parameter) == ("invalidRegionCode", "regionCode")


def test_why_a_key_is_refused_is_the_reason_and_googles_words_where_it_says_nothing() -> None:
    assert KeyBlocked("CONSUMER_SUSPENDED", detail="It has been suspended.").why == "CONSUMER_SUSPENDED"
    assert KeyBlocked("forbidden", detail="Project 4711 has been deleted.").why == (
        "forbidden: Project 4711 has been deleted."
    )
    assert KeyInvalid("authError").why == "authError"


def in_an_hour() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"Retry-After": "20"}, 20, 20),
        ({"retry-after": " 1.5 "}, 1.5, 1.5),
        ({"Retry-After": "Thu, 01 Jan 2015 00:00:00 GMT"}, 0, 0),
        ({"Retry-After": "Thu, 01 Jan 2015 00:00:00 -0000"}, 0, 0),
    ],
)
def test_retry_after_is_read(status: int, headers: Mapping[str, str], low: float, high: float) -> None:
    error = classify(status, b"", headers, Bucket.UNITS)

    assert isinstance(error, RateLimited | ServerError)
    assert error.retry_after is not None
    assert low <= error.retry_after <= high


def test_a_date_to_retry_after_is_as_many_seconds_away() -> None:
    error = classify(429, b"", {"RETRY-AFTER": in_an_hour()}, Bucket.UNITS)

    assert isinstance(error, RateLimited)
    assert error.retry_after == pytest.approx(3600, abs=60)


@pytest.mark.parametrize("value", ["", "soon", "-3", "nan", "inf", "9" * 400, "Thu, 99 Foo 2015 00:00:00 GMT", "٣"])
def test_a_retry_after_that_makes_no_sense_is_not_there(value: str) -> None:
    error = classify(503, b"", {"Retry-After": value}, Bucket.UNITS)

    assert isinstance(error, ServerError)
    assert error.retry_after is None


def test_what_is_quoted_is_short_one_line_and_holds_no_key() -> None:
    key = "AIza" + "Sy" + "q" * 33
    said = f"<b>Bad</b>\nrequest\0 to /v3/search?key=plain-secret&q=x with {key} " + "and so on " * 1000

    text = str(classify(400, bodies.legacy(400, "badValue", said), {}, Bucket.SEARCH))

    assert "Bad request to /v3/search?key=***&q=x with ***" in text
    assert key not in text
    assert "\n" not in text
    assert len(text) < 500


def test_a_key_that_the_cut_goes_through_is_not_quoted_in_part() -> None:
    key = "AIza" + "Sy" + "q" * 33
    for length in range(240, 310):
        assert "AIza" not in str(classify(400, bodies.legacy(400, "x", "-" * length + key), {}, Bucket.SEARCH))


def test_a_reason_is_one_word_and_no_key() -> None:
    assert classify(400, bodies.legacy(400, "AIza" + "q" * 35), {}, Bucket.SEARCH).reason == "***"  # type: ignore[attr-defined]
    assert classify(400, bodies.legacy(400, "two words"), {}, Bucket.SEARCH).reason == "no reason given"  # type: ignore[attr-defined]


ERRORS = [
    QuotaExhausted(Bucket.SEARCH, "4711", 100, detail="said"),
    RateLimited(3.0, bucket=Bucket.UNITS),
    KeyInvalid("API_KEY_INVALID"),
    KeyBlocked("CONSUMER_SUSPENDED", project="4711"),
    BadRequest("invalidChannelId"),
    Forbidden("forbidden", status=401),
    PageTokenInvalid(),
    NotFound(),
    ServerError(503, retry_after=1.0),
    Malformed("An answer."),
    NetworkError("Cut off.", reached=True),
    Stopped(),
]


def test_the_tree() -> None:
    assert all(isinstance(error, YouTubeError) and isinstance(error, MaiaError) for error in ERRORS)
    transient = {type(error) for error in ERRORS if isinstance(error, TransientError)}
    assert transient == {ServerError, Malformed, NetworkError}
    assert issubclass(Forbidden, BadRequest)
    # Who skips an item must not skip a restart of its round with it.
    assert not issubclass(PageTokenInvalid, BadRequest)


def test_every_error_is_a_public_name() -> None:
    def below(cls: type[YouTubeError]) -> set[str]:
        return {cls.__name__}.union(*(below(sub) for sub in cls.__subclasses__() if sub.__module__ == cls.__module__))

    assert below(YouTubeError) <= set(maia.youtube.__all__)
    assert all(hasattr(maia.youtube, name) for name in maia.youtube.__all__)
