"""A cloud's bucket in this process's memory, whose client does one thing after the other, as some clouds' do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem

from atlas.vault.providers import filesystem

if TYPE_CHECKING:
    import pytest

__all__ = ["memory_bucket"]


def memory_bucket(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty one, for VAULT_URL."""

    class Bucket(MemoryFileSystem):  # type: ignore[misc]
        protocol = "oss"
        store: ClassVar[dict[str, Any]] = {}
        pseudo_dirs: ClassVar[list[str]] = [""]

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return super()._strip_protocol(path.removeprefix("oss://"))  # type: ignore[no-any-return]

    monkeypatch.setattr(filesystem, "find_spec", lambda _: True)  # its own client need not be installed
    register_implementation("oss", Bucket, clobber=True)
    return "oss://bucket/maia"
