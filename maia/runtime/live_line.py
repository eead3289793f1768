"""One changing line at the bottom of a terminal, below the log.

Written by hand instead of rich's Live: it hides no cursor, so that no way to end the process leaves one hidden; it
needs no thread, and an agent does not import rich for it.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
from typing import Self, TextIO

from atlas.sanitize import sanitize_line


class LiveLine:
    """Show a line until the block ends; lines of the log erase it first, and it is then below them."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._shown = False
        self._closed = False

    def __enter__(self) -> Self:
        for handler in logging.getLogger().handlers:
            handler.addFilter(self._erase_for)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        for handler in logging.getLogger().handlers:
            handler.removeFilter(self._erase_for)

    def show(self, text: str) -> None:
        """Replace the line; cut it to the width of the terminal, since a line that wraps cannot be erased."""
        if self._closed:
            return
        width = max(1, shutil.get_terminal_size().columns - 1)
        line = sanitize_line(text)
        self._write(f"\r{line if len(line) <= width else line[: width - 1] + '…'}\x1b[K")
        self._shown = True

    def erase(self) -> None:
        """Erase the line until it is shown again."""
        if self._shown:
            self._write("\r\x1b[K")
            self._shown = False

    def close(self) -> None:
        """Erase the line, and show none again: the run is ending."""
        self.erase()
        self._closed = True

    def _erase_for(self, _record: logging.LogRecord) -> bool:
        self.erase()
        return True

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that went away ends no run
            self._stream.write(text)
            self._stream.flush()
