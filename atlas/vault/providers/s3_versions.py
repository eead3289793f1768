"""Delete the earlier versions of files that a versioned S3 bucket keeps."""

from __future__ import annotations

import logging
import re
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

logger = logging.getLogger(__name__)

_AT_ONCE = 1_000  # S3's limit
_KINDS = ("Versions", "DeleteMarkers")
# Answers of stores that do not accept botocore's checksum of a bulk deletion, or know no bulk deletions.
_NO_BULK = {
    "MissingContentMD5", "InvalidDigest", "BadDigest", "MissingContentLength", "NotImplemented", "MethodNotAllowed",
    "400", "405", "411", "501",
}  # fmt: skip
_WANTS_CHECKSUM = re.compile(r"content-?md5|x-amz-(?:sdk-)?checksum", re.IGNORECASE)
_UNKNOWN = {"NotImplemented", "MethodNotAllowed", "501", "405"}  # answers of stores that implement only a part of S3


def erase_versions(fs: Any, folders: Iterable[str]) -> None:
    """Delete every version that is not a file's present one, and the delete markers.

    Args:
        fs: s3fs.
        folders: with their bucket, and a slash at their end.

    Raises OSError: one could not be deleted, or the versions may not be listed (s3:ListBucketVersions).
    """
    for folder in folders:
        bucket, _, prefix = folder.partition("/")
        try:
            before = None
            # until nothing is found: a marker can only be deleted after the versions that it hides
            while (first := _delete_all(fs, bucket, _old(fs, bucket, prefix))) is not None:
                if first == before:
                    raise OSError(f"the store says that earlier versions are deleted, and still lists {first['Key']}")
                before = first
        except NotImplementedError:
            logger.info("vault: the store of bucket %s keeps no versions", bucket)
            return


def _delete_all(fs: Any, bucket: str, versions: Iterator[dict[str, str]]) -> dict[str, str] | None:
    """Delete versions, and return the first of them."""
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
    """Delete versions in one request. Return False where the store does not accept such requests."""
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
    """Yield what can be deleted now of each file: all but its newest entry, and a marker that hides nothing.

    A newest marker with a version below it stays for now: without it, that version would be the file again.
    """
    for _, listed in groupby(_listed(fs, bucket, prefix), key=itemgetter("Key")):
        entries = list(listed)
        only_markers = all(entry["Marker"] for entry in entries)
        for entry in entries:
            if only_markers or not entry["IsLatest"]:
                yield {"Key": entry["Key"], "VersionId": entry["VersionId"]}


def _listed(fs: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield all versions and markers, file after file. Raises NotImplementedError: the store knows no versions."""
    place: dict[str, str] = {}
    last: list[dict[str, Any]] = []
    while True:
        try:
            page = fs.call_s3("list_object_versions", Bucket=bucket, Prefix=prefix, **place)
        except OSError as error:
            if getattr(error.__cause__, "response", {}).get("Error", {}).get("Code") in _UNKNOWN:
                raise NotImplementedError from None
            raise
        found = [{**entry, "Marker": kind == "DeleteMarkers"} for kind in _KINDS for entry in page.get(kind, [])]
        found = sorted(last + found, key=itemgetter("Key"))
        if not page.get("IsTruncated"):
            yield from found
            return
        # the next page may continue the last file; and a store may not find its place once that is deleted
        last = [entry for entry in found if entry["Key"] == found[-1]["Key"]] if found else []
        yield from found[: len(found) - len(last)]
        place = {"KeyMarker": page["NextKeyMarker"]}
        if page.get("NextVersionIdMarker"):
            place["VersionIdMarker"] = page["NextVersionIdMarker"]
