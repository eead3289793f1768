"""No archive: nothing is kept, and nothing is said to have been kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from atlas.vault.providers.base import Entry

__all__ = ["OffProvider"]


class OffProvider:
    """Keeps nothing. What was seen meanwhile has no ``archived_at`` and is archived once a provider is chosen."""

    name = "off"
    enabled = False
    folder_limit = None
    skipped: ClassVar[dict[str, str]] = {}

    def check(self) -> None:
        """Nothing can be wrong."""

    def check_writable(self) -> None:
        """Nothing is written."""

    def read(self, path: str) -> bytes | None:  # noqa: ARG002
        """There is never one."""
        return None

    def list(self, folder: str) -> Iterator[Entry]:  # noqa: ARG002
        """There are none."""
        return iter(())

    def commit(
        self,
        add: Mapping[str, bytes],
        delete: Collection[str],  # noqa: ARG002  what is not there is gone
        *,
        message: str,  # noqa: ARG002
        deadline: float,  # noqa: ARG002
    ) -> Mapping[str, str]:
        """Adds none of them."""
        return dict.fromkeys(add, "the vault is off")

    def erase_history(self) -> None:
        """There is none."""
