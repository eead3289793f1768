"""The file that a command writes: replaced in one step, unless it is a pipe or a device."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["output_file"]


@contextlib.contextmanager
def output_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside the path and move it to its place, so that a reader never sees half of it.

    A link stays one: what it points to is replaced. A pipe or a device is written to. Raises OSError.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:  # before it is resolved: /dev/stdout may lead to a pipe, which has no path
            yield file
        return
    target = path.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
