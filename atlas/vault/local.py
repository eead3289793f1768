"""The archive as files in a folder."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

from atlas.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas.vault.records import Record

__all__ = ["LocalProvider"]


class LocalProvider:
    """Files under a folder, which is made at the first flush.

    Each file is written beside its place and moved there, so that a reader or a kill at any moment finds the old
    record, the new one or none, never half of one. Nothing is fsynced: a flush of thousands of files would take minutes
    on a slow disk, and what this protects against is the end of a process or container, not of the machine. Other
    shards may write to the same folder; the last writer of a path wins. A name that starts with a dot is what a killed
    process left behind, and no record.

    Args:
        folder: the archive's root; ``~`` is the home folder.
    """

    name = "local"
    enabled = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser()

    def check(self) -> None:
        """Raises ConfigError where VAULT_PATH, or a part of it, is something else than a folder."""
        for part in (self.folder, *self.folder.parents):
            if part.is_dir():
                return
            if part.exists():
                raise ConfigError(
                    f"VAULT_PATH: '{part}' is not a folder. Set VAULT_PATH to a folder for the archive (it is made when"
                    " it is missing), or VAULT_PROVIDER to off."
                )

    def store(self, records: Sequence[Record], deadline: float) -> Mapping[str, str]:
        """Writes the records one after another; what one of them suffers does not touch the others."""
        failed: dict[str, str] = {}
        made: set[Path] = set()
        for record in records:
            if time.monotonic() > deadline:
                failed[record.path] = "the time for the flush was up"
                continue
            target = self.folder / record.path
            try:
                if target.parent not in made:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    made.add(target.parent)
                _write(target, record.body)
            except OSError as error:
                failed[record.path] = error.strerror or type(error).__name__
        return failed

    def load(self, path: str) -> bytes | None:
        """Reads one file."""
        try:
            return (self.folder / path).read_bytes()
        except FileNotFoundError:
            return None


def _write(target: Path, body: bytes) -> None:
    """Writes a file as a whole."""
    # not tempfile: its files are 0600 whatever the umask says, and the archive is to be readable like any other folder
    beside = target.with_name(f".{target.stem}.{secrets.token_hex(6)}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(body)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
