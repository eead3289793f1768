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
from atlas.vault.providers.base import Entry, Refused
from atlas.vault.providers.hub_retries import Overtaken, Patience, asked_for, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from pydantic import SecretStr

__all__ = ["FOLDER_LIMIT", "HuggingFaceProvider"]

logger = logging.getLogger(__name__)

FOLDER_LIMIT = 10_000
"""The most files of one folder of a repository: the Hub refuses a commit that would make more."""

_CHECK_SECONDS = 10.0  # of every start: an agent does not wait long for it
_READ_SECONDS = 600.0  # to read or list something: its rate limits are for windows of five minutes
_PATHS_AT_ONCE = 500
_SWEPT_AFTER = timedelta(hours=1)
_LONGEST_REASON = 600
_LIBRARY = "pleiades-maia"  # named to the Hub

T = TypeVar("T")


class HuggingFaceProvider:
    """One atomic commit per flush, by huggingface_hub, whose import takes a large part of a second: at first use.

    The Hub stops taking commits at about 128 an hour over all shards of a token, so a commit for each video would not
    do. The dataset is made when it is missing. HF_ENDPOINT is honoured by the library itself. Large files travel by
    plain HTTP (Git LFS), not by its Xet client, which minds no time limit; parts are small.

    Args:
        dataset_id: such as ``me/maia-archive``.
        token: may write to it.
        private: whether a dataset that is made here is private.
        create: whether a missing dataset is made.
        endpoint: another Hub than the library's own choice.
        patience: how requests are tried again.
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
        patience: Patience | None = None,
    ) -> None:
        remember_secret(token.get_secret_value())
        self._dataset_id = dataset_id
        self._token = token
        self._private = private
        self._creates = create
        self._endpoint = endpoint
        self._patience = patience or Patience()
        self._has_card = False
        self._closed: tuple[float, str] | None = None  # until when the Hub takes no commit, and what it said
        self._dropped: set[str] = set()  # SHA-256 of large files that commits of this process took out

    def check(self) -> None:
        """The settings were checked when this was made."""

    def check_writable(self) -> None:
        """Asks the Hub once whether the token may write; a dataset that is missing is made. Nothing is tried again."""
        try:
            self._patience(lambda: self._check(self._api()), time.monotonic() + _CHECK_SECONDS, tries=1)
        except Exception as error:  # noqa: BLE001  raised again, with what may be said of it
            explained = self._explained(error)
            if status_of(error) in {401, 403} or isinstance(explained, FileNotFoundError):
                raise ConfigError(f"HF_DATASET_ID, HF_TOKEN: the archive cannot be written: {explained}") from None
            raise explained from None

    def read(self, path: str) -> bytes | None:
        """Reads one file of the newest commit. Raises FileNotFoundError where the whole dataset is missing."""
        return self._ask(lambda api: self._read(api, path))

    def list(self, folder: str) -> Iterator[Entry]:
        """Lists the newest commit, 1,000 files a request. Raises FileNotFoundError where the dataset is missing."""
        yield from sorted(self._ask(lambda api: self._list(api, folder)))

    def commit(
        self, add: Mapping[str, bytes], delete: Collection[str], *, message: str, deadline: float
    ) -> Mapping[str, str]:
        """Adds and deletes in one commit: everything is done, or nothing.

        What the dataset holds already, byte for byte, and what is gone already is no part of it, so a commit whose
        answer was lost is not made twice.
        """
        if self._closed is not None and time.monotonic() < self._closed[0]:
            raise OSError(self._closed[1])
        try:
            return self._patience(lambda: self._commit(self._api(), add, delete, message), deadline)
        except Exception as error:  # noqa: BLE001  raised again, with what may be said of it
            explained = self._explained(error)
            if status_of(error) == 429 and (seconds := asked_for(error)) > 0:
                self._closed = time.monotonic() + seconds, str(explained)  # a commit that is refused may count too
            raise explained from None

    def erase_history(self) -> None:
        """Makes one commit of the whole history and deletes the large files that no longer stand in it.

        Only files of the archive are deleted. One that was pushed within the last hour may be another shard's, which is
        about to commit it: it stays, unless a commit of this process took it out.
        """
        self._ask(self._erase)

    def _api(self) -> Any:
        from huggingface_hub import HfApi, constants  # noqa: PLC0415  slow

        constants.HF_HUB_DISABLE_TELEMETRY = True
        constants.HF_HUB_DISABLE_PROGRESS_BARS = True
        constants.HF_HUB_DISABLE_XET = True
        return HfApi(endpoint=self._endpoint, token=self._token.get_secret_value(), library_name=_LIBRARY)

    def _ask(self, call: Callable[[Any], T], deadline: float | None = None) -> T:
        try:
            return self._patience(
                lambda: call(self._api()), time.monotonic() + _READ_SECONDS if deadline is None else deadline
            )
        except Exception as error:  # noqa: BLE001  raised again, with what may be said of it
            raise self._explained(error) from None  # the cause's own text may hold what was scrubbed

    def _check(self, api: Any) -> None:
        from huggingface_hub import errors  # noqa: PLC0415

        # HfApi.auth_check asks it too, but not of the oldest release that is allowed
        url = f"{api.endpoint}/api/datasets/{self._dataset_id}/auth-check/write"
        try:
            self._get(url)
        except errors.RepositoryNotFoundError as error:
            if status_of(error) != 404:  # 401 is a token that the Hub does not know
                raise
            if not self._creates:
                return  # reading it raises FileNotFoundError
            try:
                self._create(api)
            except errors.HfHubHTTPError as refused:
                if status_of(refused) != 409:
                    raise
                self._get(url)  # another shard has just made it, or it is not shown to this token

    def _create(self, api: Any, *, exist_ok: bool = False) -> None:
        logger.info("vault: the dataset %s is made (%s)", self._dataset_id, "private" if self._private else "public")
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

        # not hf_hub_download, which keeps a copy of everything in its cache on the disk
        url = f"{api.endpoint}/datasets/{self._dataset_id}/resolve/main/{quote(path)}"
        try:
            # as it lies there: its size is known, and nothing is unpacked on the way
            body: bytes = self._get(url, {"Accept-Encoding": "identity"}).content
        except errors.EntryNotFoundError:
            return None
        return body

    def _list(self, api: Any, folder: str) -> Iterable[Entry]:
        return [Entry(file.path, file.size) for file in self._tree(api, folder)]

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
            if status_of(error) != 404 or not self._creates:  # 401 is a token that the Hub does not know
                raise
            self._create(api, exist_ok=True)
            there = {}
        bodies = dict(add)
        if not self._has_card and CARD_PATH not in there:
            bodies.setdefault(CARD_PATH, CARD)
        # made anew for each try: they remember what the Hub said about them the last time
        added = [CommitOperationAdd(path_in_repo=path, path_or_fileobj=body) for path, body in bodies.items()]
        gone = [path for path in delete if path in there]
        self._dropped.update(there[path].lfs.sha256 for path in gone if there[path].lfs)
        for operation in added:
            if not operation.path_in_repo.endswith((".json", ".md")):
                # large ones by themselves: the library uploads several in threads, which would not know the deadline
                api.preupload_lfs_files(self._dataset_id, [operation], repo_type="dataset", free_memory=False)
        ignored = self._ignored(added)
        if ignored and gone:
            return {path: reason for path, reason in ignored.items() if path in add} | dict.fromkeys(
                delete, "not everything could be added"
            )
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
        return {path: reason for path, reason in self._ignored(added).items() if path in add}

    def _ignored(self, added: Iterable[Any]) -> dict[str, str]:
        """What the library leaves out without a word, since the dataset's .gitignore names it."""
        return {
            operation.path_in_repo: f"the .gitignore of the dataset {self._dataset_id} leaves it out"
            for operation in added
            if getattr(operation, "_should_ignore", False)
        }

    def _there(self, api: Any, paths: Collection[str]) -> dict[str, Any]:
        """Those of the paths that are files of the dataset."""
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
        standing = {file.lfs.sha256 for file in self._tree(api, "") if file.lfs}
        before = clock.real() - _SWEPT_AFTER
        if standing and not any({file.file_oid, file.oid} & standing for file in known):
            raise OSError("the Hub's list of large files names none of those that the dataset holds; none was deleted")
        swept = [
            file
            for file in known
            if day_of(file.filename or "")
            and not {file.file_oid, file.oid} & standing
            and (file.pushed_at < before or {file.file_oid, file.oid} & self._dropped)
        ]
        if swept:
            api.permanently_delete_lfs_files(self._dataset_id, swept, repo_type="dataset")

    def _explained(self, error: Exception) -> OSError:
        """One line: what happened, and what to do where that is known."""
        from huggingface_hub import errors  # noqa: PLC0415

        told = f"{error} ({error.__cause__})" if error.__cause__ and not hasattr(error, "response") else str(error)
        text = " ".join(scrub(told).split())[:_LONGEST_REASON] or type(error).__name__
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
        if status == 429 and (seconds := asked_for(error)) > 0:
            until = iso(clock.real() + timedelta(seconds=seconds))
            text = f"{text.removesuffix('.')}. The Hub asks to wait until about {until}."
        return Refused(text) if status in {400, 413, 422} else OSError(text)
