"""What a versioned S3 bucket keeps of files that were replaced or deleted."""

from __future__ import annotations

import logging
import re
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["erase_versions"]

logger = logging.getLogger(__name__)

_AT_ONCE = 1_000  # S3's limit
_KINDS = ("Versions", "DeleteMarkers")
# Of stores that do not take the checksum of a bulk deletion that botocore sends instead of Content-MD5, or know none.
_NO_BULK = {
    "MissingContentMD5", "InvalidDigest", "BadDigest", "MissingContentLength", "NotImplemented", "MethodNotAllowed",
    "400", "405", "411", "501",
}  # fmt: skip
_WANTS_CHECKSUM = re.compile(r"content-?md5|x-amz-(?:sdk-)?checksum", re.IGNORECASE)
_UNKNOWN = {"NotImplemented", "MethodNotAllowed", "501", "405"}  # what stores that speak only a part of S3 answer


def erase_versions(fs: Any, folders: Iterable[str]) -> None:
    """Deletes every version that is not a file's present one, and the marks of deletion. Of a plain bucket, nothing.

    Args:
        fs: s3fs.
        folders: with their bucket, and a slash at their end.

    Raises:
        OSError: one could not be deleted, or the versions may not be listed (s3:ListBucketVersions).
    """
    for folder in folders:
        bucket, _, prefix = folder.partition("/")
        try:
            before = None
            # again until nothing is found: marks go only after what they hide has gone
            while (first := _delete_all(fs, bucket, _old(fs, bucket, prefix))) is not None:
                if first == before:
                    raise OSError(f"the store says that earlier versions are deleted, and still lists {first['Key']}")
                before = first
        except NotImplementedError:
            logger.info("vault: the store of bucket %s keeps no versions", bucket)
            return


def _delete_all(fs: Any, bucket: str, versions: Iterator[dict[str, str]]) -> dict[str, str] | None:
    """Returns the first of them."""
    first = None
    bulk = True
    while some := list(islice(versions, _AT_ONCE)):
        first = first or some[0]
        if bulk and not (bulk := _delete_bulk(fs, bucket, some)):
            logger.info("vault: the store of bucket %s refuses bulk deletions; versions are deleted one by one", bucket)
        if not bulk:
            for version in some:
                fs.call_s3("delete_object", Bucket=bucket, **version)
    return first


def _delete_bulk(fs: Any, bucket: str, versions: list[dict[str, str]]) -> bool:
    """Delete versions in one request. Return False where the store takes no such request from this client."""
    try:
        done = fs.call_s3("delete_objects", Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
    except OSError as error:
        answer = getattr(error.__cause__, "response", {}).get("Error", {})
        if answer.get("Code") in _NO_BULK or _WANTS_CHECKSUM.search(f"{answer.get('Code')} {answer.get('Message')}"):
            return False
        raise
    if errors := done.get("Errors"):
        raise OSError(f"{len(errors)} earlier versions could not be deleted: {errors[0].get('Message')}")
    return True


def _old(fs: Any, bucket: str, prefix: str) -> Iterator[dict[str, str]]:
    """What can go now of each file: all but its newest entry, and a mark that hides nothing.

    A newest mark with a version below it stays for now, whenever it was made: without it, that version would be the
    file again.
    """
    for _, listed in groupby(_listed(fs, bucket, prefix), key=itemgetter("Key")):
        entries = list(listed)
        marks_alone = all(entry["Mark"] for entry in entries)
        for entry in entries:
            if marks_alone or not entry["IsLatest"]:
                yield {"Key": entry["Key"], "VersionId": entry["VersionId"]}


def _listed(fs: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """All versions and marks, file after file; raises NotImplementedError where the store knows no versions."""
    place: dict[str, str] = {}
    last: list[dict[str, Any]] = []
    while True:
        try:
            page = fs.call_s3("list_object_versions", Bucket=bucket, Prefix=prefix, **place)
        except OSError as error:
            if getattr(error.__cause__, "response", {}).get("Error", {}).get("Code") in _UNKNOWN:
                raise NotImplementedError from None
            raise
        found = [{**entry, "Mark": kind == "DeleteMarkers"} for kind in _KINDS for entry in page.get(kind, [])]
        found = sorted(last + found, key=itemgetter("Key"))
        if not page.get("IsTruncated"):
            yield from found
            return
        # the next page may go on with the last file; and a store may not find its place again once that was deleted
        last = [entry for entry in found if entry["Key"] == found[-1]["Key"]] if found else []
        yield from found[: len(found) - len(last)]
        place = {"KeyMarker": page["NextKeyMarker"]}
        if page.get("NextVersionIdMarker"):
            place["VersionIdMarker"] = page["NextVersionIdMarker"]
