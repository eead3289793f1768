"""What a versioned S3 bucket keeps of files that were replaced or deleted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["erase_versions"]

logger = logging.getLogger(__name__)

_AT_ONCE = 1_000  # S3's limit
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
            # the marks last: without its mark, the newest version left would be the file again
            for kind in ("Versions", "DeleteMarkers"):
                # again until nothing is found: not every store goes on well in a list whose last entry was deleted
                while _delete_all(fs, bucket, _old(fs, bucket, prefix, kind)):
                    pass
        except NotImplementedError:
            logger.info("vault: the store of bucket %s keeps no versions", bucket)
            return


def _delete_all(fs: Any, bucket: str, versions: Iterator[dict[str, str]]) -> int:
    """How many were deleted."""
    some: list[dict[str, str]] = []
    number = 0
    for version in versions:
        some.append(version)
        number += 1
        if len(some) == _AT_ONCE:
            _delete(fs, bucket, some)
            some = []
    if some:
        _delete(fs, bucket, some)
    return number


def _old(fs: Any, bucket: str, prefix: str, kind: str) -> Iterator[dict[str, str]]:
    """Those of a kind; raises NotImplementedError where the store knows no versions."""
    place: dict[str, str] = {}
    while True:
        try:
            page = fs.call_s3("list_object_versions", Bucket=bucket, Prefix=prefix, **place)
        except OSError as error:
            if getattr(error.__cause__, "response", {}).get("Error", {}).get("Code") in _UNKNOWN:
                raise NotImplementedError from None
            raise
        for found in page.get(kind, []):
            if kind == "DeleteMarkers" or not found["IsLatest"]:
                yield {"Key": found["Key"], "VersionId": found["VersionId"]}
        if not page.get("IsTruncated"):
            return
        place = {"KeyMarker": page["NextKeyMarker"]}
        if page.get("NextVersionIdMarker"):
            place["VersionIdMarker"] = page["NextVersionIdMarker"]


def _delete(fs: Any, bucket: str, versions: list[dict[str, str]]) -> None:
    done = fs.call_s3("delete_objects", Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
    if errors := done.get("Errors"):
        raise OSError(f"{len(errors)} earlier versions could not be deleted: {errors[0].get('Message')}")
