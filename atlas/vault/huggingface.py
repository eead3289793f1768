"""The archive as a dataset on the Hugging Face Hub."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from atlas.errors import remember_secret, scrub

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import SecretStr
    from tenacity.wait import wait_base

    from atlas.vault.records import Record

__all__ = ["HuggingFaceProvider"]

TRIES = 4
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 10.0  # seconds; full jitter, since shards that collided once must not do so again

# 412: another shard committed in between. 408, 429 and 5xx: the Hub is busy. Anything else comes back the same.
_TRANSIENT = frozenset({408, 412, 429, 500, 502, 503, 504})


class HuggingFaceProvider:
    """One atomic commit per flush.

    The Hub stops taking commits at about 128 an hour over all shards of a token, so a commit for each video would not
    do. The dataset must exist. HF_ENDPOINT is honoured by the library itself. ``huggingface_hub`` is imported at the
    first flush, as its import takes a large part of a second.

    Args:
        dataset_id: such as ``me/maia-archive``.
        token: may write to it.
        endpoint: another Hub than the library's own choice.
        wait: between tries.
    """

    name = "huggingface"
    enabled = True

    def __init__(
        self, dataset_id: str, token: SecretStr, *, endpoint: str | None = None, wait: wait_base | None = None
    ) -> None:
        remember_secret(token.get_secret_value())
        self._dataset_id = dataset_id
        self._token = token
        self._endpoint = endpoint
        self._wait = wait or wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT)

    def check(self) -> None:
        """The settings were checked when this was made, and whether the Hub takes the token shows at a flush."""

    def store(self, records: Sequence[Record], deadline: float) -> Mapping[str, str]:
        """Commits the records together: all of them are stored, or none.

        A file that the Hub holds already with the same content is no part of the commit, so a commit whose answer was
        lost is not made twice.
        """
        retrying = Retrying(
            retry=retry_if_exception(_is_transient),
            stop=stop_after_attempt(TRIES) | stop_before_delay(max(0.0, deadline - time.monotonic())),
            wait=self._wait,
            reraise=True,
        )
        try:
            return retrying(self._commit, records)
        except Exception as error:  # noqa: BLE001  raised again, with what may be said of it
            raise RuntimeError(self._explain(error)) from None  # the cause's own text may hold what was scrubbed

    def load(self, path: str) -> bytes | None:
        """Not offered: a dataset is read with the Hub's own tools."""
        raise NotImplementedError(f"{path} is in the dataset {self._dataset_id}; read it with huggingface_hub")

    def _commit(self, records: Sequence[Record]) -> dict[str, str]:
        from huggingface_hub import CommitOperationAdd, HfApi, constants  # noqa: PLC0415  slow

        constants.HF_HUB_DISABLE_TELEMETRY = True
        api = HfApi(endpoint=self._endpoint, token=self._token.get_secret_value(), library_name="pleiades-maia")
        # made anew for each try: they remember what the Hub said about them the last time
        operations = [CommitOperationAdd(path_in_repo=record.path, path_or_fileobj=record.body) for record in records]
        api.create_commit(
            repo_id=self._dataset_id,
            repo_type="dataset",
            operations=operations,
            commit_message=f"Archive {len(records)} video{'' if len(records) == 1 else 's'}",
        )
        # the library leaves out, without a word, what the dataset's .gitignore names
        return {
            operation.path_in_repo: f"the .gitignore of the dataset {self._dataset_id} leaves it out"
            for operation in operations
            if getattr(operation, "_should_ignore", False)
        }

    def _explain(self, error: Exception) -> str:
        """One line: what happened, and what to do where that is known."""
        text = " ".join(scrub(str(error)).split()) or type(error).__name__
        if _status(error) in {401, 403, 404}:
            text += (
                f" Check that the dataset {self._dataset_id} (HF_DATASET_ID) exists and that HF_TOKEN may write to it; "
                "a fine-grained token names its repositories."
            )
        return text


def _status(error: BaseException) -> int | None:
    """The HTTP status of an answer, or None where there was none."""
    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def _is_transient(error: BaseException) -> bool:
    status = _status(error)
    if status is not None:
        return status in _TRANSIENT
    # No answer at all: cut, refused, timed out. huggingface_hub 1 rides on httpx, 2 on httpx2; neither re-exports it.
    return type(error).__module__.partition(".")[0] in {"httpx", "httpx2"}
