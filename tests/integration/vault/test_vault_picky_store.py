"""S3 stores that are not Amazon's: they want Content-MD5, or refuse the checksums that S3's clients send."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest

from atlas.errors import ArchiveRefused, ArchiveUnavailable, ConfigError
from atlas.vault.archive import Archive
from atlas.vault.erasure import Selection, erase
from atlas.vault.expiry import expire
from atlas.vault.providers.filesystem import FilesystemProvider

from ...support.archives import DAY, put_files, put_part, record
from ...support.strict_s3 import PickyStore, picky_store
from .conftest import BUCKET

pytestmark = pytest.mark.integration

# as the stores word them
MD5 = (400, "MissingContentMD5", "Missing required header for this request: Content-Md5.")
NO_BULK = (501, "NotImplemented", "The requested resource is not implemented")
R2 = (501, "NotImplemented", "Header 'x-amz-checksum-crc32' with value '8FJbTw==' not implemented")
B2 = (400, "InvalidArgument", "Unsupported header 'x-amz-sdk-checksum-algorithm' received for this API call.")
DENIED = (403, "AccessDenied", "Access Denied.")
EXPIRED = (400, "ExpiredToken", "The provided token has expired.")
BUSY = (503, "SlowDown", "Please reduce your request rate.")


@pytest.fixture
def picky(s3: str, s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PickyStore]:
    with picky_store(s3_server) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", store.url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        yield store


@pytest.fixture
def store(picky: PickyStore) -> Iterator[Any]:
    """Amazon's own client, to look into the bucket."""
    with closing(boto3.client("s3")) as client:
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


def versions(store: Any) -> list[str]:
    kept = store.list_object_versions(Bucket=BUCKET)
    return sorted(one["Key"] for kind in ("Versions", "DeleteMarkers") for one in kept.get(kind, []))


def filled(url: str) -> Archive:
    place = FilesystemProvider(url)
    put_files(place, record("a"), record("b"))
    put_part(place, record("a"), record("c"))
    put_files(place, record("a"))
    return Archive(place)


def test_versions_are_deleted_one_by_one_where_bulk_deletions_are_refused(
    s3: str, picky: PickyStore, store: Any
) -> None:
    archive = filled(s3)
    picky.bulk_deletions = MD5

    found = erase(archive, Selection(frozenset({"a"})))

    assert (found.files, found.records, found.failed, found.unsearched) == (1, 1, {}, [])
    left = [key for key in versions(store) if not key.endswith("history-to-erase.txt")]
    assert f"maia/metadata/{DAY}/a.json" not in left
    assert len(left) == len(set(left))
    assert f"maia/metadata/{DAY}/b.json" in left
    assert sum(method == "POST" for method, _ in picky.asked) <= 2 * 2  # tried once for each pass of each folder

    report = expire(archive, DAY.replace(day=DAY.day + 1))
    assert (report.error, report.history_erased) == (None, True)
    assert not [key for key in versions(store) if "/metadata/" in key or "/packed/" in key]


def test_a_refusal_that_has_another_cause_is_the_archives_own_error(s3: str, picky: PickyStore, store: Any) -> None:
    archive = filled(s3)
    picky.bulk_deletions = DENIED

    with pytest.raises(ArchiveRefused, match=r"its history could not be erased: .*Access Denied") as caught:
        erase(archive, Selection(frozenset({"a"})))

    assert caught.value.exit_code == 1
    assert "The database is not the cause" in str(caught.value)


def test_a_store_that_cannot_be_reached_is_unavailable(
    s3: str, picky: PickyStore, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(ArchiveUnavailable) as caught:
        Archive(FilesystemProvider(s3)).days()
    assert not isinstance(caught.value, ArchiveRefused)
    assert caught.value.exit_code == 69
    assert "the archive cannot be read (fsspec)" in str(caught.value)


@pytest.mark.parametrize("answer", [R2, B2])
def test_a_store_that_refuses_checksums_is_noticed_at_the_start_with_what_cures_it(
    s3: str, picky: PickyStore, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str, str]
) -> None:
    picky.checksums = answer
    with pytest.raises(ConfigError) as caught:
        FilesystemProvider(s3).check_writable()
    assert "VAULT_URL: the archive cannot be written" in str(caught.value)
    assert "AWS_REQUEST_CHECKSUM_CALCULATION=when_required" in str(caught.value)
    assert "AWS_RESPONSE_CHECKSUM_VALIDATION=when_required" in str(caught.value)
    failed = FilesystemProvider(s3).commit({"metadata/a": b"{}"}, (), message="", deadline=time.monotonic() + 30)
    assert "AWS_REQUEST_CHECKSUM_CALCULATION=when_required" in failed["metadata/a"]

    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    monkeypatch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
    place = FilesystemProvider(s3)
    place.check_writable()
    put_files(place, record("a"))
    assert place.read(f"metadata/{DAY}/a.json") == record("a").body


NEVER = [DENIED, EXPIRED, NO_BULK, (400, "InvalidRequest", "Never."), (405, "MethodNotAllowed", "Not so.")]
LATER = [BUSY, (500, "InternalError", "Oops."), (429, "TooManyRequests", "Slow down.")]


def test_a_store_that_refuses_every_write_is_a_config_error_and_a_busy_one_is_not(s3: str, picky: PickyStore) -> None:
    place = FilesystemProvider(s3)
    found = {}
    for answer in (*NEVER, *LATER):
        picky.writes = answer
        with pytest.raises((ConfigError, OSError), match=re.escape(answer[2])) as caught:
            place.check_writable()
        found[answer] = caught.type
        if answer in NEVER:
            assert re.match(r"VAULT_URL: the archive cannot be written: .*: .*\. Check the address", str(caught.value))
    assert found == {answer: ConfigError if answer in NEVER else OSError for answer in found}
