"""The archive in anything that fsspec reaches: an S3-compatible bucket, another cloud's, a folder, a server."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import re
import secrets
import time
from concurrent.futures import TimeoutError as OutOfTime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from atlas.errors import ConfigError
from atlas.redaction import one_line, remember_password, without_login
from atlas.vault.layout import FILES, PACKED
from atlas.vault.providers.base import LINK, SPECIAL, TIME_IS_UP, Entry, Refused
from atlas.vault.providers.s3_versions import erase_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

__all__ = ["FilesystemProvider"]

logger = logging.getLogger(__name__)

# What is put there is there as a whole, or not at all; elsewhere files are written beside their place and moved.
_BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "tos"})
# Cannot be written, or not in a way that an archive could live with.
_UNFIT = {
    "http": "it cannot be written to",
    "https": "it cannot be written to; an S3-compatible store has an s3:// address and AWS_ENDPOINT_URL_S3",
    "hf": "a commit for each file would not do; set VAULT_PROVIDER to huggingface",
    "memory": "it is gone when the process ends; use one such as file:///mnt/archive, or set VAULT_PROVIDER to off",
}
_EXTRAS = {"s3fs": '"pleiades-maia[s3]"'}
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.DOTALL)
_AT_ONCE = 32
_REFUSALS = (FileExistsError, FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)
_REFUSED = {errno.EROFS, errno.ENOSPC, errno.EDQUOT}
# HTTP statuses and S3's codes of a store that may take later what it refuses now; and statuses of one that never will
_LATER = frozenset({408, 409, 412, 425, 429})
_BUSY = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"})
_NEVER = frozenset({501, 505})
# Stores that know nothing of the checksums that S3's clients send since 2025, or answer with wrong ones.
_CHECKSUM = re.compile(
    r"x-amz-(?:sdk-)?checksum|x-amz-trailer|aws-chunked|STREAMING-UNSIGNED-PAYLOAD|XAmzContentSHA256Mismatch"
    r"|checksum .{0,80}did not match|checksum.{0,40}(?:unsupported|not (?:supported|implemented))",
    re.IGNORECASE,
)
_CHECKSUM_CURE = (
    "The store does not take the checksums of S3's clients: set AWS_REQUEST_CHECKSUM_CALCULATION=when_required and "
    "AWS_RESPONSE_CHECKSUM_VALIDATION=when_required."
)
_LEFT_BEHIND = 3600.0  # seconds: no write takes so long
_ON_THIS_MACHINE = frozenset({"file", "local"})
_SKIPPED_BELOW = 2  # levels: without a layout's folder there is no archive; without one of a day there is


class FilesystemProvider:
    """Files below an address; fsspec and its client are imported at first use.

    Credentials come from where the client looks for them itself, such as AWS_ACCESS_KEY_ID. Nothing is cached.

    Args:
        url: such as ``s3://bucket/archive`` or ``file:///mnt/archive``.

    Raises:
        ConfigError: it is no address of a place for an archive.
    """

    name = "fsspec"
    enabled = True
    folder_limit = None

    def __init__(self, url: str) -> None:
        remember_password(url)
        match = _URL.fullmatch(url)
        if not match or "::" in url:
            raise ConfigError(
                "VAULT_URL: it is no address such as s3://bucket/archive or file:///mnt/archive; it begins with a "
                "protocol and ://."
            )
        self._url = url
        self._protocol = match[1]
        if self._protocol in _UNFIT:
            raise ConfigError(f"VAULT_URL: {self._protocol}:// is no place for the archive: {_UNFIT[self._protocol]}.")
        if not match[2].strip("/"):
            raise ConfigError(
                f"VAULT_URL: {self._protocol}:// names no bucket or folder; it is such as s3://bucket/archive."
            )
        self._place: tuple[Any, str] | None = None
        self._made: set[str] = set()
        self.skipped: dict[str, str] = {}
        self._bucket_is_there = self._protocol not in _BUCKETS

    def check(self) -> None:
        """Raises ConfigError where fsspec does not know the protocol, or its client is not installed."""
        from fsspec.registry import get_filesystem_class, known_implementations, registry  # noqa: PLC0415

        known = known_implementations.get(self._protocol)
        if known is None:
            if self._protocol in registry:  # by the program that this is part of
                return
            raise ConfigError(f"VAULT_URL: fsspec knows no {self._protocol}://. Most used are s3, gs, az and file.")
        package = known["class"].partition(".")[0]
        try:
            if package == "fsspec":
                get_filesystem_class(self._protocol)
            elif find_spec(package) is None:
                raise ImportError(known.get("err"))  # noqa: TRY301
        except ImportError as error:
            hint = f"pip install {_EXTRAS.get(package, package)}" if package != "fsspec" else str(error)
            raise ConfigError(
                f"VAULT_URL: {self._protocol}:// needs a package that is not installed ({hint})."
            ) from None

    def check_writable(self) -> None:
        """Writes a small file and deletes it; in a bucket always the same one."""
        fs, root = self._opened()
        for name in (FILES, PACKED):
            if self._behind_link(root, name):
                raise ConfigError(
                    f"VAULT_URL: '{root}/{name}' is a symbolic link, and below VAULT_URL none is followed. Set "
                    f"VAULT_URL to a folder that holds {FILES} and {PACKED} themselves; that folder may be a link."
                )
        target = f"{root}/{FILES}/.writable" if self._protocol in _BUCKETS else f"{root}/.{secrets.token_hex(6)}"
        try:
            self._write(fs, target, b"\n")
        except Exception as error:  # noqa: BLE001  each client has its own
            if not _is_refusal(error):
                raise OSError(_reason(error)) from None
            raise ConfigError(
                f"VAULT_URL: the archive cannot be written: {without_login(self._url)}: {_reason(error)}. Check the "
                "address and that these credentials may write there, or set VAULT_PROVIDER to off."
            ) from None
        with contextlib.suppress(Exception):  # whoever may write need not be allowed to delete
            _delete(fs, target)

    def read(self, path: str) -> bytes | None:
        """Reads one file."""
        fs, root = self._opened()
        with _explained():
            try:
                if self._behind_link(root, path) or self._is_special(f"{root}/{path}"):
                    return None
                body: bytes = fs.cat_file(f"{root}/{path}")
            except FileNotFoundError:
                self._look_for_bucket(fs, root)
                return None
            return body

    def list(self, folder: str) -> Iterator[Entry]:
        """Lists the folder, one subfolder at a time. Raises FileNotFoundError where the whole bucket is missing."""
        fs, root = self._opened()
        found = False
        with _explained():
            if self._behind_link(root, folder):
                return
        for entry in self._walk(fs, f"{root}/{folder}" if folder else root, f"{folder}/" if folder else ""):
            found = True
            yield entry
        if not found:
            with _explained():
                self._look_for_bucket(fs, root)

    def commit(
        self,
        add: Mapping[str, bytes],
        delete: Collection[str],
        *,
        message: str,  # noqa: ARG002  nothing keeps one
        deadline: float,
    ) -> Mapping[str, str]:
        """Puts the files, several at once where the client can; what one of them suffers does not touch the others."""
        fs, root = self._opened()
        concurrent = bool(fs.async_impl) and self._protocol in _BUCKETS
        if concurrent:
            failed = _together(fs, add, lambda path: fs._pipe_file(f"{root}/{path}", add[path]), deadline)  # noqa: SLF001
        else:
            failed = _in_turn(add, lambda path: self._put(fs, root, path, add[path]), deadline)
        if failed:
            return failed | dict.fromkeys(delete, "not everything could be added")
        if concurrent:
            return _together(fs, delete, lambda path: _remove(fs, f"{root}/{path}"), deadline)
        return _in_turn(delete, lambda path: _delete(fs, f"{root}/{path}"), deadline)

    def erase_history(self) -> None:
        """Deletes the earlier versions that a versioned S3 bucket keeps, and what killed processes left half written.

        Of other clouds' buckets it cannot be told what they keep, and a warning says so.
        """
        fs, root = self._opened()
        with _explained():
            if self._protocol in {"s3", "s3a"}:
                erase_versions(fs, [f"{root}/{folder}/" for folder in (FILES, PACKED)])
            elif self._protocol in _BUCKETS:
                logger.warning(
                    "vault: a bucket of %s:// may keep what was deleted (versioning, soft delete): look at its rules",
                    self._protocol,
                )
            else:
                _sweep(fs, root)

    def _opened(self) -> tuple[Any, str]:
        if self._place is None:
            self.check()
            from fsspec.core import url_to_fs  # noqa: PLC0415  with its client, slow

            # the listings that it would keep grow stale as other shards write
            options = {"skip_instance_cache": True, "use_listings_cache": False}
            with _explained():
                fs, root = url_to_fs(self._url, **options)
            self._place = fs, root.rstrip("/")
        return self._place

    def _look_for_bucket(self, fs: Any, root: str) -> None:
        """Tells an empty archive from one that is not there at all, or is another one than was meant."""
        if not self._bucket_is_there:
            bucket = root.partition("/")[0]
            if not fs.exists(bucket):
                raise FileNotFoundError(f"there is no bucket {bucket}, or it is not shown to these credentials")
            self._bucket_is_there = True

    def _behind_link(self, root: str, path: str) -> bool:
        """Return whether a part of a path below the root is a symbolic link of this machine."""
        if self._protocol not in _ON_THIS_MACHINE:
            return False
        parts = path.split("/") if path else []
        for end in range(1, len(parts) + 1):
            part = "/".join(parts[:end])
            if os.path.islink(f"{root}/{part}"):  # noqa: PTH114  as fsspec reads paths
                self._skip(part, LINK)
                return True
        return False

    def _is_special(self, target: str) -> bool:
        """Return whether a path of this machine is there and no file: reading a pipe would wait for ever."""
        here = self._protocol in _ON_THIS_MACHINE
        return here and os.path.exists(target) and not os.path.isfile(target)  # noqa: PTH110, PTH113  as above

    def _skip(self, path: str, reason: str) -> None:
        if path not in self.skipped:
            self.skipped[path] = reason
            logger.warning("vault: %s is skipped: %s", path, reason)

    def _walk(self, fs: Any, folder: str, prefix: str) -> Iterator[Entry]:
        with _explained():
            try:
                found = fs.ls(folder, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return
            except PermissionError as error:
                if prefix.count("/") < _SKIPPED_BELOW:
                    raise
                self._skip(prefix.rstrip("/"), f"it cannot be read: {one_line(error)}")
                return
        inside = [(entry["name"].rstrip("/").rpartition("/")[2], entry) for entry in found]
        # by whole paths, in which a folder's name goes on with a slash
        named = sorted(
            (f"{name}/" if entry["type"] == "directory" else name, entry["size"] or 0, _special(entry))
            for name, entry in inside
            if name and not name.startswith(".") and entry["name"].rstrip("/") != folder
        )
        for name, size, special in named:
            if special:
                self._skip(prefix + name.rstrip("/"), special)
            elif name.endswith("/"):
                yield from self._walk(fs, f"{folder}/{name[:-1]}", prefix + name)
            else:
                yield Entry(prefix + name, size)

    def _put(self, fs: Any, root: str, path: str, body: bytes) -> None:
        if self._behind_link(root, path.rpartition("/")[0]):
            raise OSError(LINK)
        self._write(fs, f"{root}/{path}", body)

    def _write(self, fs: Any, target: str, body: bytes) -> None:
        if self._protocol in _BUCKETS:
            fs.pipe_file(target, body)
            return
        folder, _, name = target.rpartition("/")
        if folder not in self._made:
            fs.makedirs(folder, exist_ok=True)
            self._made.add(folder)
        beside = f"{folder}/.{name}.{secrets.token_hex(6)}.tmp"
        try:
            fs.pipe_file(beside, body)
            fs.mv(beside, target)
        except BaseException:
            with contextlib.suppress(Exception):
                fs.rm_file(beside)
            raise


def _special(entry: Mapping[str, Any]) -> str:
    """Return why something in a listing is neither a file nor a folder of the archive; empty where it is one."""
    if entry.get("islink") or entry["type"] == "link":
        return LINK
    return "" if entry["type"] in {"file", "directory"} else SPECIAL


def _in_turn(paths: Iterable[str], act: Callable[[str], object], deadline: float) -> dict[str, str]:
    failed = {}
    for path in paths:
        if time.monotonic() > deadline:
            failed[path] = TIME_IS_UP
            continue
        try:
            act(path)
        except Exception as error:  # noqa: BLE001  each client has its own; it is reported
            failed[path] = _reason(error)
    return failed


def _together(fs: Any, paths: Collection[str], act: Callable[[str], Any], deadline: float) -> dict[str, str]:
    """Several at once, on the client's own event loop."""
    undone = dict.fromkeys(paths, TIME_IS_UP)

    async def one(path: str, room: asyncio.Semaphore) -> None:
        async with room:
            if time.monotonic() > deadline:
                return
            undone[path] = "no answer in time"
            try:
                await act(path)
            except Exception as error:  # noqa: BLE001  each client has its own; it is reported
                undone[path] = _reason(error)
            else:
                del undone[path]

    async def every() -> None:
        room = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(one(path, room) for path in paths))

    if paths:
        future = asyncio.run_coroutine_threadsafe(every(), fs.loop)
        try:
            future.result(max(0.0, deadline - time.monotonic()))
        except OutOfTime:
            future.cancel()
    return dict(undone)


async def _remove(fs: Any, target: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        await fs._rm_file(target)  # noqa: SLF001  fsspec's name for what its own methods await


def _delete(fs: Any, target: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        fs.rm_file(target)


def _sweep(fs: Any, root: str) -> None:
    for path in fs.find(root):
        name = path.rpartition("/")[2]
        if name.startswith(".") and name.endswith(".tmp"):
            with contextlib.suppress(FileNotFoundError):
                if fs.modified(path).timestamp() < time.time() - _LEFT_BEHIND:
                    fs.rm_file(path)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Whatever a client raises is an OSError without secrets."""
    try:
        yield
    except ConfigError:
        raise
    except FileNotFoundError as error:
        raise FileNotFoundError(_reason(error)) from None
    except Exception as error:  # noqa: BLE001  each client has its own
        raise (Refused if _is_refusal(error) else OSError)(_reason(error)) from None


def _is_refusal(error: BaseException) -> bool:
    """Whether a place says no, rather than nothing."""
    code, status = _answer(error)
    if status is not None:
        return code not in _BUSY and (400 <= status < 500 or status in _NEVER) and status not in _LATER
    # botocore's, which need not be installed
    no_credentials = type(error).__name__ in {"NoCredentialsError", "PartialCredentialsError"}
    return no_credentials or (isinstance(error, OSError) and (isinstance(error, _REFUSALS) or error.errno in _REFUSED))


def _answer(error: BaseException | None) -> tuple[str, int | None]:
    """Return the code and the HTTP status of what a store answered; "" and None where it gave no answer."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):  # botocore's
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return str(response.get("Error", {}).get("Code", "")), status
        for name in ("status_code", "code", "status"):  # those of other clouds' clients
            if isinstance(status := getattr(error, name, None), int) and 400 <= status < 600:
                return "", status
        error = error.__cause__
    return "", None


def _reason(error: Exception) -> str:
    text = one_line(error)[:600]
    if _CHECKSUM.search(text):
        return f"{text.removesuffix('.')}. {_CHECKSUM_CURE}"
    return text
