"""No archive: nothing is kept, and nothing is said to have been kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas.vault.records import Record

__all__ = ["OffProvider"]


class OffProvider:
    """Keeps nothing. What was seen meanwhile has no ``archived_at`` and is archived once a provider is chosen."""

    name = "off"
    enabled = False

    def check(self) -> None:
        """Nothing can be wrong."""

    def store(self, records: Sequence[Record], deadline: float) -> Mapping[str, str]:  # noqa: ARG002
        """Stores none of them."""
        return {record.path: "the vault is off" for record in records}

    def load(self, path: str) -> bytes | None:  # noqa: ARG002
        """There is never one."""
        return None
