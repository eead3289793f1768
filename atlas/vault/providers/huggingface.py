"""The archive as a dataset on the Hugging Face Hub."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from urllib.parse import quote

from atlas.clock import clock
from atlas.errors import ConfigError
from atlas.redaction import remember_secret, scrub
from atlas.times import iso
from atlas.vault.dataset_card import CARD, CARD_PATH
from atlas.vault.layout import day_of
from atlas.vault.providers.base import NOT_ADDED, ArchiveFile, Refused
from atlas.vault.providers.hub_retries import HubRetries, Overtaken, requested_wait, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from pydantic import SecretStr

logger = logging.getLogger(__name__)

FOLDER_LIMIT = 10_000
"""The most files of one folder of a repository: the Hub refuses a commit that would make more."""

_CHECK_SECONDS = 10.0  # part of every start
_READ_SECONDS = 600.0  # to read or list something: its rate limits are for windows of five minutes
_PATHS_AT_ONCE = 500
_SWEPT_AFTER = timedelta(hours=1)
_LONGEST_REASON = 600
_LIBRARY = "pleiades-maia"  # named to the Hub

T = TypeVar("T")


class HuggingFaceProvider:
    """One atomic commit per flush, by huggingface_hub, which is imported at first use since that is slow.

    The Hub refuses more than about 128 commits an hour over all shards of a token. Large files travel by plain HTTP
    (Git LFS), not by its Xet client, which has no time limit.

    Args:
        private: whether a dataset that is created here is private.
        create: create a missing dataset.
        endpoint: another Hub than the library's own choice (HF_ENDPOINT).
    """

    name = "huggingface"
    enabled = True
    folder_limit = FOLDER_LIMIT
    skipped: ClassVar[dict[str, str]] = {}

    def __init__(
        self,
        dataset_id: str,
        token: SecretStr,
        *,
        private: bool = True,
        create: bool = True,
        endpoint: str | None = None,
        retries: HubRetries | None = None,
    ) -> None:
        remember_secret(token.get_secret_value())
        self._dataset_id = dataset_id
        self._token = token
        self._private = private
        self._may_create = create
        self._endpoint = endpoint
        self._retry = retries or HubRetries()
        self._has_card = False
        self._closed: tuple[float, str] | None = None  # until when the Hub refuses commits, and its text
        self._deleted: set[str] = set()  # SHA-256 of large files that commits of this process deleted

    def check(self) -> None: ...  # the factory has checked the settings

    def check_writable(self) -> None:
        """Ask the Hub once whether the token may write; create a missing dataset."""
        try:
            self._retry(lambda: self._check(self._api()), time.monotonic() + _CHECK_SECONDS, attempts=1)
        except Exception as error:  # noqa: BLE001  raised again, explained
            explained = self._explained(error)
            if status_of(error) in {401, 403} or isinstance(explained, FileNotFoundError):
                raise ConfigError(f"HF_DATASET_ID, HF_TOKEN: the archive cannot be written: {explained}") from None
            raise explained from None

    def read(self, path: str) -> bytes | None:
        """Read one file of the newest commit. Raises FileNotFoundError: the whole dataset is missing."""
        return self._ask(lambda api: self._read(api, path))

    def list(self, folder: str) -> Iterator[ArchiveFile]:
        """List the newest commit, 1,000 files a request. Raises FileNotFoundError: the whole dataset is missing."""
        found = self._ask(lambda api: [ArchiveFile(file.path, file.size) for file in self._tree(api, folder)])
        yield from sorted(found)

    def commit(
        self, add: Mapping[str, bytes], delete: Collection[str], *, message: str, deadline: float
    ) -> Mapping[str, str]:
        """Add and delete in one commit: everything is done, or nothing.

        The commit leaves out files that the dataset already holds byte for byte, and deletions that are done, so a
        commit whose answer was lost is not made twice.
        """
        if self._closed is not None and time.monotonic() < self._closed[0]:
            raise OSError(self._closed[1])
        try:
            return self._retry(lambda: self._commit(self._api(), add, delete, message), deadline)
        except Exception as error:  # noqa: BLE001  raised again, explained
            explained = self._explained(error)
            if status_of(error) == 429 and (seconds := requested_wait(error)) > 0:
                self._closed = time.monotonic() + seconds, str(explained)  # a refused commit may count too
            raise explained from None

    def erase_history(self) -> None:
        """Squash the history into one commit, and delete the large files that it no longer holds.

        Only files of the archive are deleted. One that was pushed within the last hour stays, unless a commit of this
        process deleted it: another shard may be about to commit it.
        """
        self._ask(self._erase)

    def _api(self) -> Any:
        from huggingface_hub import HfApi, constants  # noqa: PLC0415  slow

        constants.HF_HUB_DISABLE_TELEMETRY = True
        constants.HF_HUB_DISABLE_PROGRESS_BARS = True
        constants.HF_HUB_DISABLE_XET = True
        return HfApi(endpoint=self._endpoint, token=self._token.get_secret_value(), library_name=_LIBRARY)

    def _ask(self, call: Callable[[Any], T]) -> T:
        try:
            return self._retry(lambda: call(self._api()), time.monotonic() + _READ_SECONDS)
        except Exception as error:  # noqa: BLE001  raised again, explained
            raise self._explained(error) from None  # the cause's text may hold a secret

    def _check(self, api: Any) -> None:
        from huggingface_hub import errors  # noqa: PLC0415

        # HfApi.auth_check does not do this in the oldest supported release
        url = f"{api.endpoint}/api/datasets/{self._dataset_id}/auth-check/write"
        try:
            self._get(url)
        except errors.RepositoryNotFoundError as error:
            if status_of(error) != 404:  # 401: the Hub does not know the token
                raise
            if not self._may_create:
                return  # reading it raises FileNotFoundError
            try:
                self._create(api)
            except errors.HfHubHTTPError as refused:
                if status_of(refused) != 409:
                    raise
                self._get(url)  # another shard has just created it, or it is hidden from this token

    def _create(self, api: Any, *, exist_ok: bool = False) -> None:
        logger.info("vault: creating the dataset %s (%s)", self._dataset_id, "private" if self._private else "public")
        api.create_repo(self._dataset_id, repo_type="dataset", private=self._private, exist_ok=exist_ok)

    def _get(self, url: str, more: Mapping[str, str] = MappingProxyType({})) -> Any:
        from huggingface_hub import utils  # noqa: PLC0415

        tools: Any = utils
        headers = tools.build_hf_headers(token=self._token.get_secret_value(), library_name=_LIBRARY)
        response = tools.get_session().get(url, headers={**headers, **more})
        tools.hf_raise_for_status(response)
        return response

    def _read(self, api: Any, path: str) -> bytes | None:
        from huggingface_hub import errors  # noqa: PLC0415

        # not hf_hub_download, which copies everything into its cache on the disk
        url = f"{api.endpoint}/datasets/{self._dataset_id}/resolve/main/{quote(path)}"
        try:
            # as it is stored: its size is known, and nothing is unpacked on the way
            body: bytes = self._get(url, {"Accept-Encoding": "identity"}).content
        except errors.EntryNotFoundError:
            return None
        return body

    def _tree(self, api: Any, folder: str) -> Iterator[Any]:
        from huggingface_hub import errors, hf_api  # noqa: PLC0415

        try:
            for found in api.list_repo_tree(self._dataset_id, folder or None, recursive=True, repo_type="dataset"):
                if isinstance(found, hf_api.RepoFile):
                    yield found
        except errors.EntryNotFoundError:
            return

    def _commit(self, api: Any, add: Mapping[str, bytes], delete: Collection[str], message: str) -> dict[str, str]:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, errors  # noqa: PLC0415

        try:
            there = self._there(api, [*delete, *(() if self._has_card else (CARD_PATH,))])
        except errors.RepositoryNotFoundError as error:
            if status_of(error) != 404 or not self._may_create:  # 401: the Hub does not know the token
                raise
            self._create(api, exist_ok=True)
            there = {}
        bodies = dict(add)
        if not self._has_card and CARD_PATH not in there:
            bodies.setdefault(CARD_PATH, CARD)
        # new for each attempt: they remember the Hub's last answer about them
        added = [CommitOperationAdd(path_in_repo=path, path_or_fileobj=body) for path, body in bodies.items()]
        gone = [path for path in delete if path in there]
        self._deleted.update(there[path].lfs.sha256 for path in gone if there[path].lfs)
        for operation in added:
            if not operation.path_in_repo.endswith((".json", ".md")):
                # one by one: the library uploads several in threads, which do not know the deadline
                api.preupload_lfs_files(self._dataset_id, [operation], repo_type="dataset", free_memory=False)
        ignored = self._ignored(added, add)
        if ignored and gone:
            return ignored | dict.fromkeys(delete, NOT_ADDED)
        if added or gone:
            deletions = [CommitOperationDelete(path_in_repo=path, is_folder=False) for path in gone]
            try:
                api.create_commit(
                    repo_id=self._dataset_id,
                    repo_type="dataset",
                    operations=[*added, *deletions],
                    commit_message=message,
                )
            except errors.EntryNotFoundError as error:
                raise Overtaken(str(error)) from None
        self._has_card = True
        return self._ignored(added, add)

    def _ignored(self, added: Iterable[Any], wanted: Collection[str]) -> dict[str, str]:
        """Return what the library silently leaves out since the dataset's .gitignore names it."""
        return {
            operation.path_in_repo: f"the .gitignore of the dataset {self._dataset_id} leaves it out"
            for operation in added
            if getattr(operation, "_should_ignore", False) and operation.path_in_repo in wanted
        }

    def _there(self, api: Any, paths: Collection[str]) -> dict[str, Any]:
        wanted = list(paths)
        return {
            file.path: file
            for start in range(0, len(wanted), _PATHS_AT_ONCE)
            for file in api.get_paths_info(
                self._dataset_id, wanted[start : start + _PATHS_AT_ONCE], repo_type="dataset"
            )
        }

    def _erase(self, api: Any) -> None:
        known = list(api.list_lfs_files(self._dataset_id, repo_type="dataset"))
        api.super_squash_history(self._dataset_id, repo_type="dataset", commit_message="Archive")
        current = {file.lfs.sha256 for file in self._tree(api, "") if file.lfs}
        before = clock.real() - _SWEPT_AFTER
        if current and not any({file.file_oid, file.oid} & current for file in known):
            raise OSError("the Hub's list of large files names none of those that the dataset holds; none was deleted")
        swept = [
            file
            for file in known
            if day_of(file.filename or "")
            and not {file.file_oid, file.oid} & current
            and (file.pushed_at < before or {file.file_oid, file.oid} & self._deleted)
        ]
        if swept:
            api.permanently_delete_lfs_files(self._dataset_id, swept, repo_type="dataset")

    def _explained(self, error: Exception) -> OSError:
        """Return an error of one line: what happened, and what to do where that is known."""
        from huggingface_hub import errors  # noqa: PLC0415

        full = f"{error} ({error.__cause__})" if error.__cause__ and not hasattr(error, "response") else str(error)
        text = " ".join(scrub(full).split())[:_LONGEST_REASON] or type(error).__name__
        status = status_of(error)
        missing = isinstance(error, errors.RepositoryNotFoundError) and status == 404
        if missing:
            text = f"the Hub knows no dataset {self._dataset_id}, or does not show it to this token."
        if status in {401, 403, 404}:
            text += (
                f" Check that the dataset {self._dataset_id} (HF_DATASET_ID) exists and that HF_TOKEN may write to it; "
                "a fine-grained token names its repositories."
            )
        if missing:
            return FileNotFoundError(text)
        if status == 429 and (seconds := requested_wait(error)) > 0:
            until = iso(clock.real() + timedelta(seconds=seconds))
            text = f"{text.removesuffix('.')}. The Hub asks to wait until about {until}."
        return Refused(text) if status in {400, 413, 422} else OSError(text)
