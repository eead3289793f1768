"""No archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from atlas.vault.providers.base import ArchiveFile


class OffProvider:
    """Store nothing. Videos get no ``archived_at``, and are archived once a provider is set."""

    name = "off"
    enabled = False
    folder_limit = None
    skipped: ClassVar[dict[str, str]] = {}

    def check(self) -> None: ...

    def check_writable(self) -> None: ...

    def read(self, path: str) -> bytes | None:  # noqa: ARG002
        return None

    def list(self, folder: str) -> Iterator[ArchiveFile]:  # noqa: ARG002
        return iter(())

    def commit(
        self,
        add: Mapping[str, bytes],
        delete: Collection[str],  # noqa: ARG002
        *,
        message: str,  # noqa: ARG002
        deadline: float,  # noqa: ARG002
    ) -> Mapping[str, str]:
        return dict.fromkeys(add, "the vault is off")

    def erase_history(self) -> None: ...
