"""The error bodies have the shape of YouTube's own."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from atlas.quota.buckets import Bucket
from youtube_sandbox import errors

NOW = datetime(2026, 11, 22, 20, tzinfo=UTC)

# captured body → what the sandbox says in the same case
CAPTURED = {
    "400_API_KEY_INVALID_trimmed": errors.key_invalid(),
    "400_invalidChannelId": errors.invalid(
        "invalidChannelId", "Invalid channel.", domain="youtube.search", location="channelId"
    ),
    "400_invalidPageToken_RECONSTRUCTED": errors.refusal("page-token"),
    "403_API_KEY_HTTP_REFERRER_BLOCKED": errors.key_blocked("API_KEY_HTTP_REFERRER_BLOCKED", Bucket.SEARCH, "1"),
    "403_API_KEY_SERVICE_BLOCKED": errors.key_blocked("API_KEY_SERVICE_BLOCKED", Bucket.SEARCH, "1"),
    "403_SERVICE_DISABLED": errors.key_blocked("SERVICE_DISABLED", Bucket.SEARCH, "1"),
    "403_dailyLimitExceeded": errors.refusal("daily-limit"),
    "403_permission_reason_SERVICE_UNAVAILABLE": errors.unavailable_403(),
    "403_quotaExceeded": errors.quota_spent(Bucket.UNITS, "1", 10_000, NOW),
    "403_unregistered_caller_RECONSTRUCTED": errors.unregistered(),
    "404_playlistNotFound": errors.refusal("not-found"),
    "429_search_per_day_project_2026-09": errors.quota_spent(Bucket.SEARCH, "1", 100, NOW),
    "500_backendError": errors.refusal("backend-500"),
    "503_backendError": errors.refusal("backend-503"),
}
ADDED = {"domain", "location", "locationType", "metadata", "service"}  # what a trimmed or rebuilt body lost
COMPARED = {"code", "status", "reason", "domain", "@type", "location", "locationType", "quota_unit", "quota_limit"}
COMPARED |= {"service", "quota_metric", "quota_location", "quota_limit_value"}


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from leaves(inner, (*path, str(place)))
    else:
        yield path, value


@pytest.mark.parametrize("name", CAPTURED)
def test_a_body_has_every_field_of_the_captured_one_and_tells_the_same(shared_data: Path, name: str) -> None:
    captured = dict(leaves(orjson.loads((shared_data / "youtube-errors" / f"{name}.json").read_bytes())))
    ours = dict(leaves(CAPTURED[name].body))
    assert captured.keys() <= ours.keys()
    assert all(set(path) & ADDED for path in ours.keys() - captured.keys())
    compared = [path for path in captured if path[-1] in COMPARED]
    assert {path: ours[path] for path in compared} == {path: captured[path] for path in compared}
    assert CAPTURED[name].status == captured["error", "code"]


@pytest.mark.parametrize("bucket", [Bucket.SEARCH, Bucket.BATCH])
def test_a_spent_day_names_the_day_the_project_and_the_limit(bucket: Bucket) -> None:
    error = errors.quota_spent(bucket, "123456789012", 7, NOW)
    (info,) = error.body["error"]["details"]
    metadata = info["metadata"]
    assert (error.status, error.body["error"]["status"], info["reason"]) == (
        429,
        "RESOURCE_EXHAUSTED",
        "RATE_LIMIT_EXCEEDED",
    )
    assert metadata["quota_unit"] == "1/d/{project}"
    assert "PerDay" in metadata["quota_limit"]
    assert "per day" in error.body["error"]["message"]
    assert (metadata["consumer"], metadata["quota_limit_value"]) == ("projects/123456789012", "7")
    assert metadata["window_start_time"] == str(int(datetime(2026, 11, 22, 8, tzinfo=UTC).timestamp()))


@pytest.mark.parametrize("bucket", Bucket)
def test_a_rate_limit_never_looks_like_a_day_limit(bucket: Bucket) -> None:
    body = orjson.dumps(errors.rate_limit_429(bucket, "1").body)
    assert b"per day" not in body
    assert b"PerDay" not in body
    assert b"1/d/" not in body


@pytest.mark.parametrize("reason", errors.BLOCKED)
def test_every_reason_for_a_blocked_key_is_a_403_that_names_it(reason: str) -> None:
    error = errors.key_blocked(reason, Bucket.UNITS, "42")
    info = error.body["error"]["details"][-1]
    assert (error.status, error.reason, info["reason"]) == (403, reason, reason)
    assert info["metadata"]["consumer"] == "projects/42"
