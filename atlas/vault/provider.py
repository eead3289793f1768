"""The interface of a vault provider: where records go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas.vault.records import Record

__all__ = ["Provider"]


class Provider(Protocol):
    """A place that keeps records. Making one does no I/O and imports no client library.

    Its methods block; ``Vault`` runs ``store`` in a thread.
    """

    @property
    def name(self) -> str:
        """As in VAULT_PROVIDER."""
        ...

    @property
    def enabled(self) -> bool:
        """False where nothing is kept: records are not even buffered."""
        ...

    def check(self) -> None:
        """Raises ConfigError where it can be seen without the network that nothing could ever be stored."""
        ...

    def store(self, records: Sequence[Record], deadline: float) -> Mapping[str, str]:
        """Stores all records that it can, each wholly or not at all.

        A record whose path is there already replaces it.

        Args:
            records: at least one, each with a path of its own.
            deadline: in ``time.monotonic()`` seconds; nothing new is begun after it.

        Returns:
            The paths that were not stored, each with its reason; empty when everything was. A reason holds no secret.

        Raises:
            Exception: nothing was stored.
        """
        ...

    def load(self, path: str) -> bytes | None:
        """The body of a stored record, or None where there is none.

        Raises:
            NotImplementedError: this provider cannot be read back.
            OSError: it is there and cannot be read.
        """
        ...
