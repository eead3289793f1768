"""No archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from atlas.vault.providers.base import Entry

__all__ = ["OffProvider"]


class OffProvider:
    """Store nothing. Videos get no ``archived_at``, and are archived once a provider is set."""

    name = "off"
    enabled = False
    folder_limit = None
    skipped: ClassVar[dict[str, str]] = {}

    def check(self) -> None:
        """Do nothing."""

    def check_writable(self) -> None:
        """Do nothing."""

    def read(self, path: str) -> bytes | None:  # noqa: ARG002
        """Return None."""
        return None

    def list(self, folder: str) -> Iterator[Entry]:  # noqa: ARG002
        """Yield nothing."""
        return iter(())

    def commit(
        self,
        add: Mapping[str, bytes],
        delete: Collection[str],  # noqa: ARG002
        *,
        message: str,  # noqa: ARG002
        deadline: float,  # noqa: ARG002
    ) -> Mapping[str, str]:
        """Add nothing, and say so."""
        return dict.fromkeys(add, "the vault is off")

    def erase_history(self) -> None:
        """Do nothing."""
