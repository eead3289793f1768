"""What a versioned S3 bucket keeps of files that were replaced or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["erase_versions"]

_AT_ONCE = 1_000  # S3's limit


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
        some: list[dict[str, str]] = []
        for version in _old(fs, bucket, prefix):
            some.append(version)
            if len(some) == _AT_ONCE:
                _delete(fs, bucket, some)
                some = []
        if some:
            _delete(fs, bucket, some)


def _old(fs: Any, bucket: str, prefix: str) -> Iterator[dict[str, str]]:
    place: dict[str, str] = {}
    while True:
        page = fs.call_s3("list_object_versions", Bucket=bucket, Prefix=prefix, **place)
        for version in page.get("Versions", []):
            if not version["IsLatest"]:
                yield {"Key": version["Key"], "VersionId": version["VersionId"]}
        for mark in page.get("DeleteMarkers", []):
            yield {"Key": mark["Key"], "VersionId": mark["VersionId"]}
        if not page.get("IsTruncated"):
            return
        place = {"KeyMarker": page["NextKeyMarker"]}
        if page.get("NextVersionIdMarker"):
            place["VersionIdMarker"] = page["NextVersionIdMarker"]


def _delete(fs: Any, bucket: str, versions: list[dict[str, str]]) -> None:
    done = fs.call_s3("delete_objects", Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
    if errors := done.get("Errors"):
        raise OSError(f"{len(errors)} earlier versions could not be deleted: {errors[0].get('Message')}")
