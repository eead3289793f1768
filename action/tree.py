"""The files that the image is made of, and one hash over them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from action.errors import SettingError

__all__ = ["PARTS", "tree_hash"]

PARTS = (
    ".dockerignore", "Dockerfile", "LICENSE", "README.md", "atlas", "container", "maia", "pyproject.toml",
    "requirements-build.txt", "requirements.txt",
)  # fmt: skip
"""What the build may read: what .dockerignore lets through, and what says so."""


def tree_hash(root: Path) -> str:
    """16 hexadecimal digits that change with any file of PARTS. Raises SettingError where there is no Dockerfile."""
    if not (root / "Dockerfile").is_file():
        raise SettingError(
            "`image: build` needs a checkout of Maia, and there is no Dockerfile beside this action. "
            "Name one by the input `source`, or leave `image` empty."
        )
    digest = hashlib.sha256()
    for path in _files(root):
        name = path.relative_to(root).as_posix().encode()
        data = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        # lengths, so that no two trees read alike; of the mode, what a container can tell
        runs = not path.is_symlink() and path.stat().st_mode & 0o100
        digest.update(b"%d %s %d %d " % (len(name), name, bool(runs), len(data)))
        digest.update(data)
    return digest.hexdigest()[:16]


def _files(root: Path) -> Iterator[Path]:
    for part in PARTS:
        path = root / part
        if path.is_dir():
            yield from sorted(
                found
                for found in path.rglob("*")
                if (found.is_symlink() or found.is_file())
                and "__pycache__" not in found.parts
                and found.suffix != ".pyc"
            )
        elif path.exists():
            yield path
