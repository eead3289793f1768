"""The archive in anything remote that fsspec reaches: an S3-compatible bucket, another cloud's, a server."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import re
import secrets
import time
from concurrent.futures import TimeoutError as OutOfTime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from atlas.errors import ConfigError
from atlas.redaction import one_line, remember_password, without_login
from atlas.vault.layout import FILES
from atlas.vault.providers import base
from atlas.vault.providers.s3_versions import erase_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping


logger = logging.getLogger(__name__)

# Their writes are atomic; elsewhere files are written beside their place and moved.
_BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "tos"})
# Cannot be written, or not in a way that suits an archive.
_UNFIT = {
    "http": "it cannot be written to",
    "https": "it cannot be written to; an S3-compatible store has an s3:// address and AWS_ENDPOINT_URL_S3",
    "hf": "it needs a commit for each file; set VAULT_PROVIDER to huggingface",
    "memory": "it is gone when the process ends; use one such as file:///mnt/archive, or set VAULT_PROVIDER to off",
}
_EXTRAS = {"s3fs": '"pleiades-maia[s3]"'}
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.DOTALL)
_AT_ONCE = 32
_REFUSALS = (FileExistsError, FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)
_REFUSED = {errno.EROFS, errno.ENOSPC, errno.EDQUOT}
# HTTP statuses and S3's codes of a store that may accept later what it refuses now; statuses of one that never will
_LATER = frozenset({408, 409, 412, 425, 429})
_BUSY = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"})
_NEVER = frozenset({501, 505})
# Of stores that do not support the checksums that S3's clients send since 2025.
_CHECKSUM = re.compile(
    r"x-amz-(?:sdk-)?checksum|x-amz-trailer|aws-chunked|STREAMING-UNSIGNED-PAYLOAD|XAmzContentSHA256Mismatch"
    r"|checksum .{0,80}did not match|checksum.{0,40}(?:unsupported|not (?:supported|implemented))",
    re.IGNORECASE,
)
_CHECKSUM_ADVICE = (
    "The store does not accept the checksums of S3's clients: set AWS_REQUEST_CHECKSUM_CALCULATION=when_required and "
    "AWS_RESPONSE_CHECKSUM_VALIDATION=when_required."
)


class _Forbidden(base.Refused, PermissionError):
    """These credentials may not do this."""


class FilesystemProvider:
    """Files below an address such as ``s3://bucket/archive``; fsspec and its client are imported at first use.

    Credentials come from where the client looks for them itself, such as AWS_ACCESS_KEY_ID. Raises ConfigError: it
    cannot be the address of an archive.
    """

    name = "fsspec"
    enabled = True
    folder_limit = None

    def __init__(self, url: str) -> None:
        remember_password(url)
        match = _URL.fullmatch(url)
        if not match or "::" in url:
            raise ConfigError(
                "VAULT_URL: it is no address such as s3://bucket/archive or file:///mnt/archive: it must begin with a "
                "protocol and ://."
            )
        self._url = url
        self._protocol = match[1]
        if self._protocol in _UNFIT:
            raise ConfigError(f"VAULT_URL: {self._protocol}:// is no place for the archive: {_UNFIT[self._protocol]}.")
        if not match[2].strip("/"):
            raise ConfigError(
                f"VAULT_URL: {self._protocol}:// names no bucket or folder; an address is such as s3://bucket/archive."
            )
        self._place: tuple[Any, str] | None = None
        self._made: set[str] = set()
        self._walker = base.Walker(self._scan, PermissionError)
        self.skipped = self._walker.skipped
        self._bucket_is_there = self._protocol not in _BUCKETS

    def check(self) -> None:
        """Raise ConfigError where fsspec does not know the protocol, or its client is not installed."""
        from fsspec.registry import get_filesystem_class, known_implementations, registry  # noqa: PLC0415

        known = known_implementations.get(self._protocol)
        if known is None:
            if self._protocol in registry:  # registered by the program
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
        """Write a small file and delete it; in a bucket always the same one."""
        fs, root = self._open()
        target = f"{root}/{FILES}/.writable" if self._protocol in _BUCKETS else f"{root}/.{secrets.token_hex(6)}"
        try:
            self._write(fs, target, b"\n")
        except Exception as error:  # noqa: BLE001  each client has its own errors
            if not _is_refusal(error):
                raise OSError(_reason(error)) from None
            raise ConfigError(
                f"VAULT_URL: the archive cannot be written: {without_login(self._url)}: {_reason(error)}. Check the "
                "address and that these credentials may write there, or set VAULT_PROVIDER to off."
            ) from None
        with contextlib.suppress(Exception):  # a user who may write need not be allowed to delete
            _delete(fs, target)

    def read(self, path: str) -> bytes | None:
        fs, root = self._open()
        with _explained():
            try:
                body: bytes = fs.cat_file(f"{root}/{path}")
            except FileNotFoundError:
                self._look_for_bucket(fs, root)
                return None
            return body

    def list(self, folder: str) -> Iterator[base.ArchiveFile]:
        """List the folder, one subfolder at a time. Raises FileNotFoundError: the whole bucket is missing."""
        found = False
        for entry in self._walker.walk(folder):
            found = True
            yield entry
        if not found:
            with _explained():
                self._look_for_bucket(*self._open())

    def commit(
        self,
        add: Mapping[str, bytes],
        delete: Collection[str],
        *,
        message: str,  # noqa: ARG002  there is no history of commits
        deadline: float,
    ) -> Mapping[str, str]:
        """Write the files, several at once where the client can; the failure of one does not affect the others."""
        fs, root = self._open()
        concurrent = bool(fs.async_impl) and self._protocol in _BUCKETS
        if concurrent:
            failed = _together(fs, add, lambda path: fs._pipe_file(f"{root}/{path}", add[path]), deadline)  # noqa: SLF001
        else:
            failed = base.in_turn(add, lambda path: self._write(fs, f"{root}/{path}", add[path]), deadline, _reason)
        if failed:
            return failed | dict.fromkeys(delete, base.NOT_ADDED)
        if concurrent:
            return _together(fs, delete, lambda path: _remove(fs, f"{root}/{path}"), deadline)
        return base.in_turn(delete, lambda path: _delete(fs, f"{root}/{path}"), deadline, _reason)

    def erase_history(self) -> None:
        """Delete earlier versions in a versioned S3 bucket, elsewhere what killed processes left half written.

        What other clouds' buckets keep is unknown; a warning says so.
        """
        fs, root = self._open()
        with _explained():
            if self._protocol in {"s3", "s3a"}:
                erase_versions(fs, [f"{root}/{folder}/" for folder in base.LAYOUT_FOLDERS])
            elif self._protocol in _BUCKETS:
                logger.warning(
                    "vault: a bucket of %s:// may keep what was deleted (versioning, soft delete): check its rules",
                    self._protocol,
                )
            else:
                for path in fs.find(root):
                    if (name := path.rpartition("/")[2]).startswith("."):
                        with contextlib.suppress(FileNotFoundError):
                            if base.is_left_behind(name, fs.modified(path).timestamp()):
                                fs.rm_file(path)

    def _open(self) -> tuple[Any, str]:
        if self._place is None:
            self.check()
            from fsspec.core import url_to_fs  # noqa: PLC0415  with its client, slow

            # cached listings would miss what other shards write
            options = {"skip_instance_cache": True, "use_listings_cache": False}
            with _explained():
                fs, root = url_to_fs(self._url, **options)
            self._place = fs, root.rstrip("/")
        return self._place

    def _look_for_bucket(self, fs: Any, root: str) -> None:
        """Raise FileNotFoundError where there is no such bucket, to tell that from an empty archive."""
        if not self._bucket_is_there:
            bucket = root.partition("/")[0]
            if not fs.exists(bucket):
                raise FileNotFoundError(f"there is no bucket {bucket}, or it is not shown to these credentials")
            self._bucket_is_there = True

    def _scan(self, folder: str) -> Iterable[base.Child]:
        fs, root = self._open()
        place = f"{root}/{folder}" if folder else root
        with _explained():
            try:
                found = fs.ls(place, detail=True)
            except NotADirectoryError as error:
                raise FileNotFoundError(place) from error
        named = [(entry["name"].rstrip("/"), entry) for entry in found]
        # a store may list the folder itself
        return [
            base.Child(name.rpartition("/")[2], entry["type"], entry["size"] or 0)
            for name, entry in named
            if name not in {"", place}
        ]

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


def _together(fs: Any, paths: Collection[str], act: Callable[[str], Any], deadline: float) -> dict[str, str]:
    """Run several at once, on the client's own event loop."""
    undone = dict.fromkeys(paths, base.TIME_IS_UP)

    async def one(path: str, room: asyncio.Semaphore) -> None:
        async with room:
            if time.monotonic() > deadline:
                return
            undone[path] = "no answer in time"
            try:
                await act(path)
            except Exception as error:  # noqa: BLE001  each client has its own errors
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


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Raise every error of a client as an OSError without secrets."""
    try:
        yield
    except ConfigError:
        raise
    except FileNotFoundError as error:
        raise FileNotFoundError(_reason(error)) from None
    except PermissionError as error:
        raise _Forbidden(_reason(error)) from None
    except Exception as error:  # noqa: BLE001  each client has its own errors
        raise (base.Refused if _is_refusal(error) else OSError)(_reason(error)) from None


def _is_refusal(error: BaseException) -> bool:
    """Whether a place refuses, rather than gives no answer."""
    code, status = _status(error)
    if status is not None:
        return code not in _BUSY and (400 <= status < 500 or status in _NEVER) and status not in _LATER
    # botocore's, which need not be installed
    no_credentials = type(error).__name__ in {"NoCredentialsError", "PartialCredentialsError"}
    return no_credentials or (isinstance(error, OSError) and (isinstance(error, _REFUSALS) or error.errno in _REFUSED))


def _status(error: BaseException | None) -> tuple[str, int | None]:
    """Return the code and the HTTP status of a store's answer; "" and None where there was none."""
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
        return f"{text.removesuffix('.')}. {_CHECKSUM_ADVICE}"
    return text
