"""Errors are told apart by what they mean: one row for every case that YouTube is known to answer."""

import json
from collections.abc import Mapping
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
    TransientError,
    YouTubeError,
    classify,
)

from ...support.youtube_bodies import (
    RETRY_INFO,
    backend_error,
    current,
    key_blocked,
    key_invalid,
    legacy,
    over_limit,
    search_day_spent,
    too_fast,
    units_day_spent,
)

UNREGISTERED = "Method doesn't allow unregistered callers (callers without established identity)."
INFO = [{"reason": "SERVICE_UNAVAILABLE", "domain": "youtube.CoreErrorDomain"}]
FIELD = {"fieldViolations": [{"field": "region_code", "description": "Invalid value"}]}
BLOCKED = (
    "API_KEY_SERVICE_BLOCKED", "API_KEY_HTTP_REFERRER_BLOCKED", "API_KEY_IP_ADDRESS_BLOCKED",
    "API_KEY_ANDROID_APP_BLOCKED", "CONSUMER_SUSPENDED", "CONSUMER_INVALID", "SERVICE_DISABLED",
)  # fmt: skip
# 401 and 403 of the gateway are about the key or its project, whatever the words
GATEWAY = (
    (403, "forbidden", "The provided API key has an IP address restriction.", KeyBlocked, None),
    (403, "forbidden", "Project 123456789012 has been deleted.", KeyBlocked, "123456789012"),
    (403, "insufficientPermissions", "Insufficient Permission", KeyBlocked, None),
    (401, "authError", "Request had invalid authentication credentials.", KeyInvalid, None),
    (401, "required", "Login Required.", KeyInvalid, None),
)
SAYS_NOTHING = (
    b"[]", b"null", b"3", b'"text"', b"{}", b'{"error": "denied"}', b'{"error": []}', b"\xff\xfe", b"{", b"",
    b"<html>Forbidden</html>", b'{"error": {}}', b'{"error": {"errors": "x", "details": "y", "message": 3}}',
    b'{"error": {"errors": [null, 3, {"reason": ["x"]}], "details": [null, {"reason": 3, "metadata": []}]}}',
    b'[{"error": {"code": 403}}]',
)  # fmt: skip


def error(code: int, **members: Any) -> bytes:
    return json.dumps({"error": {"code": code, **members}}).encode()


def case(status: int, body: bytes, expected: type[YouTubeError], /, **attributes: Any) -> tuple[Any, ...]:
    return status, body, expected, attributes


CASES = {
    # search's day quota: 429, and only these marks tell it from a limit per minute
    "search day": case(
        429, search_day_spent("1234567", "100"), QuotaExhausted, bucket=Bucket.SEARCH, project="1234567", limit=100
    ),
    "a limit of zero is a limit": case(429, search_day_spent(limit="0"), QuotaExhausted, limit=0),
    "day by unit alone": case(429, over_limit(quota_unit="1/d/{project}"), QuotaExhausted, project=None),
    "day by limit alone": case(429, over_limit(quota_limit="SearchPerDayPerProject"), QuotaExhausted),
    "day by message alone": case(429, over_limit(message="limit 'Queries per day' of it"), QuotaExhausted),
    "day in the older envelope, project in the message": case(
        429, legacy(429, "rateLimitExceeded", "limit 'Uploads per day' for consumer 'project_number:55555'."),
        QuotaExhausted, project="55555", limit=None,
    ),
    "a project that is no number": case(
        429, over_limit(quota_unit="1/d/{project}", consumer="projects/XXXX", quota_limit_value="many"),
        QuotaExhausted, project=None, limit=None,
    ),
    "day, as 403": case(403, over_limit(403, quota_unit="1/d/{project}"), QuotaExhausted),
    # units' day quota
    "units day": case(403, units_day_spent(), QuotaExhausted, project=None, limit=None),
    "units day, older": case(403, legacy(403, "dailyLimitExceeded", domain="usageLimits"), QuotaExhausted),
    "quotaExceeded of a minute": case(
        403, current(403, "quotaExceeded", "RATE_LIMIT_EXCEEDED", quota_unit="1/min/{project}"), RateLimited
    ),
    # too fast
    "per minute": case(429, too_fast(), RateLimited, retry_after=None),
    "429 without a word": case(429, over_limit(), RateLimited),
    "the unit outweighs the text": case(
        429, over_limit(message="not the limit per day", quota_unit="1/min/{project}"), RateLimited
    ),
    "429 in HTML": case(429, b"<html>unusual traffic from your computer network</html>", RateLimited),
    "429 with an empty body": case(429, b"", RateLimited),
    "rate, as 403": case(403, legacy(403, "rateLimitExceeded", domain="usageLimits"), RateLimited),
    "user's rate, as 403": case(403, legacy(403, "userRateLimitExceeded", domain="usageLimits"), RateLimited),
    "RetryInfo": case(
        429, current(429, "x", "RATE_LIMIT_EXCEEDED", details=({"@type": RETRY_INFO, "retryDelay": "7.5s"},)),
        RateLimited, retry_after=7.5,
    ),
    # the key is wrong
    "wrong key": case(400, key_invalid(), KeyInvalid, reason="API_KEY_INVALID"),
    "wrong key, older": case(400, legacy(400, "keyInvalid", "Bad Request", "usageLimits"), KeyInvalid),
    "expired key": case(400, current(400, "badRequest", "API_KEY_EXPIRED"), KeyInvalid),
    "wrong key by message": case(400, legacy(400, "badRequest", "API key not valid. Pass one."), KeyInvalid),
    # the key is blocked
    **{info: case(403, key_blocked(info), KeyBlocked, reason=info, project="123456789012") for info in BLOCKED},
    "API not enabled": case(
        403, current(403, "accessNotConfigured", "SERVICE_DISABLED", domain="usageLimits", consumer="projects/4711"),
        KeyBlocked, reason="SERVICE_DISABLED", project="4711",
    ),
    "API not enabled, older": case(
        403, legacy(403, "accessNotConfigured", "It has not been used in project 4711 before.", "usageLimits"),
        KeyBlocked, reason="accessNotConfigured", project="4711",
    ),
    "no key": case(403, current(403, "forbidden", None, UNREGISTERED), KeyBlocked),
    "blocked by message": case(403, legacy(403, "forbidden", "Requests from referer X are blocked."), KeyBlocked),
    "no signup": case(403, legacy(403, "dailyLimitExceededUnreg", domain="usageLimits"), KeyBlocked),
    "half a pair": case(403, b"\n" + b'{"error": {"message": "half a pair \\ud83d"}}', KeyBlocked),
    **{
        f"gateway: {message} {age}": case(status, body, expected, reason=reason, quote=message, project=project)
        for status, reason, message, expected, project in GATEWAY
        for age, body in (
            ("older", legacy(status, reason, message)), ("newer", current(status, reason, None, message)),
        )
    },
    "the gateway, without a list of errors": case(
        403, error(403, message="The key has an IP address restriction.", status="PERMISSION_DENIED"),
        KeyBlocked, reason="forbidden",
    ),
    # 400 is not about the key
    "page token": case(400, legacy(400, "invalidPageToken"), PageTokenInvalid),
    "page token, newer": case(400, current(400, "invalidPageToken", None), PageTokenInvalid),
    "bad parameter": case(
        400, legacy(400, "invalidChannelId", domain="youtube.search", location="channelId"),
        BadRequest, reason="invalidChannelId", status=400, parameter="channelId",
    ),
    "YouTube's own word about a parameter is not about our key": case(
        400, legacy(400, "badRequest", "API key not valid as a search term.", "youtube.search"), BadRequest
    ),
    "a parameter that the newer envelope names": case(
        400, current(400, "invalid", None, status="INVALID_ARGUMENT", details=(FIELD,)),
        BadRequest, parameter="regionCode",
    ),
    "a parameter that only the reason names": case(
        400, legacy(400, "invalidRelevanceLanguage", domain="youtube.search"), BadRequest, parameter="relevanceLanguage"
    ),
    "a parameter that is not named": case(400, legacy(400, "badRequest"), BadRequest, parameter=None),
    "400 in HTML": case(400, b"<html>Your client has issued a malformed request.</html>", BadRequest),
    # 403 that is not about the key
    "YouTube's ErrorInfo alone": case(
        403, error(403, message="The caller may not.", details=INFO), Forbidden, reason="SERVICE_UNAVAILABLE"
    ),
    "reason alone says nothing": case(
        403, current(403, "SERVICE_UNAVAILABLE", None, domain="youtube.CoreErrorDomain"),
        Forbidden, reason="SERVICE_UNAVAILABLE",
    ),
    "private playlist": case(
        403, legacy(403, "playlistItemsNotAccessible", domain="youtube.playlistItem"),
        Forbidden, reason="playlistItemsNotAccessible", status=403,
    ),
    "a blocked video is not a blocked key": case(
        403, legacy(403, "forbidden", "Requests to this video are blocked.", "youtube.video"), Forbidden
    ),
    "a private channel": case(
        403, legacy(403, "channelForbidden", domain="youtube.channel"), Forbidden, reason="channelForbidden"
    ),
    "comments are disabled": case(403, legacy(403, "commentsDisabled", domain="youtube.commentThread"), Forbidden),
    "YouTube's own 401": case(
        401, legacy(401, "authorizationRequired", domain="youtube.activity"), Forbidden, status=401
    ),
    # nothing there
    "no playlist": case(404, legacy(404, "playlistNotFound"), NotFound, reason="playlistNotFound"),
    "404 without a reason": case(404, error(404), NotFound, reason="notFound"),
    # YouTube's end
    **{f"{status}": case(status, backend_error(status), ServerError, status=status) for status in (500, 502, 503, 504)},
    "5xx in HTML": case(502, b"<html>That's an error.</html>", ServerError),
    "5xx with a quota reason": case(500, legacy(500, "quotaExceeded"), ServerError),
    "408": case(408, b"", ServerError, status=408),
    # not the API
    "404 of another server": case(404, b"<html>Not Found</html>", Malformed),
    "redirect": case(302, b"", Malformed),
    **{f"403 {body!r}": case(403, body, Malformed) for body in SAYS_NOTHING},
}  # fmt: skip


@pytest.mark.parametrize(("status", "body", "expected", "attributes"), CASES.values(), ids=CASES)
def test_an_error_is_classified_by_its_meaning(
    status: int, body: bytes, expected: type[YouTubeError], attributes: dict[str, Any]
) -> None:
    error = classify(status, body, {}, Bucket.SEARCH)
    assert type(error) is expected
    assert {name: getattr(error, name) for name in attributes} == attributes
    assert str(error)


@pytest.mark.parametrize("bucket", list(Bucket))
def test_the_bucket_is_the_one_that_was_called(bucket: Bucket) -> None:
    error = classify(403, units_day_spent(), {}, bucket)
    assert isinstance(error, QuotaExhausted)
    assert error.bucket is bucket
    assert f"'{bucket}'" in str(error)
    assert "midnight Pacific" in str(error)
    assert "<a" not in str(error)


def test_the_shared_refusals_are_about_the_key_and_the_region(shared_cases: Path) -> None:
    for body in json.loads((shared_cases / "gateway_refusals.json").read_text())["bodies"]:
        said = body["error"]
        refusal = classify(said["code"], json.dumps(body).encode(), {}, Bucket.SEARCH)
        assert isinstance(refusal, KeyInvalid if said["code"] == 401 else KeyBlocked)
        assert refusal.why == f"{said['errors'][0]['reason']}: {said['message']}"
    case = json.loads((shared_cases / "one_query_refused.json").read_text())
    region = classify(case["status"], json.dumps(case["body"]).encode(), {}, Bucket.SEARCH)
    assert isinstance(region, BadRequest)
    assert (region.reason, region.parameter) == ("invalidRegionCode", "regionCode")


def test_why_a_key_is_refused_is_the_reason_and_googles_words_where_it_says_nothing() -> None:
    assert KeyBlocked("CONSUMER_SUSPENDED", detail="It has been suspended.").why == "CONSUMER_SUSPENDED"
    deleted = "Project 4711 has been deleted."
    assert KeyBlocked("forbidden", detail=deleted).why == f"forbidden: {deleted}"
    assert KeyInvalid("authError").why == "authError"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "20"}, 20),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"Retry-After": "Thu, 01 Jan 2015 00:00:00 GMT"}, 0),
        ({"Retry-After": "Thu, 01 Jan 2015 00:00:00 -0000"}, 0),
        *(
            ({"Retry-After": odd}, None)
            for odd in ("", "soon", "-3", "nan", "inf", "9" * 400, "Thu, 99 Foo 2015 00:00:00 GMT", "٣")
        ),
    ],
)
def test_retry_after_is_read_where_it_makes_sense(
    status: int, headers: Mapping[str, str], seconds: float | None
) -> None:
    error = classify(status, b"", headers, Bucket.UNITS)
    assert isinstance(error, RateLimited | ServerError)
    assert error.retry_after == seconds


def test_a_date_to_retry_after_is_as_many_seconds_away() -> None:
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    error = classify(429, b"", {"RETRY-AFTER": in_an_hour}, Bucket.UNITS)
    assert isinstance(error, RateLimited)
    assert error.retry_after == pytest.approx(3600, abs=60)


def test_what_is_quoted_is_short_one_line_and_holds_no_key_nor_part_of_one() -> None:
    key = "AIza" + "Sy" + "q" * 33
    said = f"<b>Bad</b>\nrequest\0 to /v3/search?key=plain-secret&q=x with {key} " + "and so on " * 1000
    text = str(classify(400, legacy(400, "badValue", said), {}, Bucket.SEARCH))
    assert "Bad request to /v3/search?key=***&q=x with ***" in text
    assert key not in text
    assert "\n" not in text
    assert len(text) < 500
    for length in range(240, 310):  # the cut goes through it
        assert "AIza" not in str(classify(400, legacy(400, "x", "-" * length + key), {}, Bucket.SEARCH))


@pytest.mark.parametrize(("given", "reason"), [("AIza" + "q" * 35, "***"), ("two words", "no reason given")])
def test_a_reason_is_one_word_and_no_key(given: str, reason: str) -> None:
    error = classify(400, legacy(400, given), {}, Bucket.SEARCH)
    assert isinstance(error, BadRequest)
    assert error.reason == reason


def test_every_error_is_a_public_name_and_has_its_place_in_the_tree() -> None:
    def below(cls: type[YouTubeError]) -> set[type[YouTubeError]]:
        return {cls}.union(*(below(sub) for sub in cls.__subclasses__() if sub.__module__ == cls.__module__))

    assert {each.__name__ for each in below(YouTubeError)} <= set(maia.youtube.__all__)
    assert all(hasattr(maia.youtube, name) for name in maia.youtube.__all__)
    assert issubclass(YouTubeError, MaiaError)
    assert below(TransientError) == {TransientError, ServerError, Malformed, NetworkError}
    assert below(BadRequest) == {BadRequest, Forbidden}, "who skips an item must not skip a restart of its round"
