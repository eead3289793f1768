"""Standard output and error that accept any text: each command runs in `usable_streams`.

A terminal or pipe may not be UTF-8, may be closed from the beginning (`>&-`), and its reader may leave (`| head`). None
of that is a failure of the command or ends in a traceback.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import NoReturn, TextIO

__all__ = ["BROKEN_PIPE", "usable_streams"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}

BROKEN_PIPE = 141
"""The exit status of a command whose reader left: 128 + SIGPIPE."""


@contextlib.contextmanager
def usable_streams() -> Iterator[None]:
    """Prepare the standard streams, and end the process without a traceback when a reader has left.

    Exit with 141 if the reader left before the end; with 1, after one line, if the output cannot be written.
    """
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # escapes what the encoding lacks
    try:
        yield
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # Typer had caught it
            sys.exit(BROKEN_PIPE)
        raise
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            sys.exit(BROKEN_PIPE)
        if error.errno not in _FULL or error.filename is not None:  # an error of a file has its name
            raise
        _fail(error)
    finally:
        for stream in (sys.stdout, sys.stderr):
            _end(stream)


def _open_closed() -> None:
    """Open the null device for each closed stream; otherwise the next file or socket would take its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _end(stream: TextIO) -> None:
    try:
        stream.flush()
    except ValueError:  # closed
        return
    except OSError as error:
        # the interpreter must not try the buffered rest again at its end
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if error.errno != errno.EPIPE and stream is sys.stdout:
            _fail(error)


def _fail(error: OSError) -> NoReturn:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"the output cannot be written: {error.strerror}\n")
    sys.exit(1)
