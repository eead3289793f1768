"""Write to the Actions runner: annotations, groups, masks, outputs and the step summary.

Everything that the step prints goes through one Runner. Outside of Actions (GITHUB_ACTIONS is not "true") it prints
plain text, and no mask commands, since these contain the secrets.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partialmethod
from pathlib import Path
from typing import BinaryIO

from action.text import escape_workflow_commands, one_line, sanitize

LARGEST_SUMMARY = 900_000
"""Bytes of a step's summary. GitHub drops one of more than 1 MiB whole (GitHub Docs: workflow commands)."""

_LONGEST_MESSAGE = 3000


def command(name: str, data: str = "", **properties: str) -> str:
    """Return a workflow command as a line."""
    given = ",".join(
        f"{key}={_escaped(value).replace(':', '%3A').replace(',', '%2C')}" for key, value in properties.items()
    )
    return f"::{name}{' ' if given else ''}{given}::{_escaped(data)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


class Runner:
    """The output of the step. Its methods may be called from any thread."""

    def __init__(self, environ: Mapping[str, str], out: BinaryIO) -> None:
        self.hosted = environ.get("GITHUB_ACTIONS") == "true"
        self._outputs = environ.get("GITHUB_OUTPUT") or None
        self._summary = environ.get("GITHUB_STEP_SUMMARY") or None
        self._out = out
        self._lock = threading.RLock()
        self._at_line_start = True

    def line(self, text: str) -> None:
        """Print a line of the log, with workflow commands disabled."""
        self._write_line(escape_workflow_commands(one_line(text, _LONGEST_MESSAGE)))

    def mask(self, value: str) -> None:
        """Mask `value` in the log from here on; outside of Actions do nothing."""
        if self.hosted:
            self._write_line(command("add-mask", value))

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what is printed inside."""
        if not self.hosted:
            self.line(f"{title} ...")
            yield
            return
        self._write_line(command("group", one_line(title)))
        try:
            yield
        finally:
            self._write_line(command("endgroup"))

    @contextmanager
    def foreign(self) -> Iterator[Callable[[bytes], None]]:
        """Yield a function that prints foreign output unchanged, with workflow commands disabled."""
        token = secrets.token_hex(16)
        if self.hosted:
            self._write_line(command("stop-commands", token))
        try:
            yield self._write
        finally:
            # the token must start a line: otherwise commands would stay disabled
            self._end_line()
            if self.hosted:
                self._write_line(command(token))

    def _annotate(self, level: str, title: str, message: str) -> None:
        title, text = one_line(title), sanitize(message)[:_LONGEST_MESSAGE].strip()
        if self.hosted:
            self._write_line(command(level, text, title=title))
        else:
            self.line(f"{level}: {title}: {text}")

    notice = partialmethod(_annotate, "notice")
    warning = partialmethod(_annotate, "warning")
    error = partialmethod(_annotate, "error")

    def _write_line(self, line: str) -> None:
        with self._lock:
            self._end_line()
            self._write(f"{line}\n".encode("utf-8", "replace"))

    def _end_line(self) -> None:
        with self._lock:
            if not self._at_line_start:
                self._write(b"\n")

    def _write(self, data: bytes) -> None:
        if not data:
            return
        with self._lock:
            try:
                self._out.write(data)
                self._out.flush()
            except OSError:
                # the reader is gone; continue, so that the container is stopped and removed
                with suppress(OSError):  # so that Python does not flush the buffer again at its end
                    os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
                return
            self._at_line_start = data.endswith(b"\n")

    def output(self, name: str, value: str) -> None:
        """Set an output of the step; `value` is written on one line."""
        if self._outputs is None:
            self.line(f"output {name}: {value}")
        else:
            self._append(self._outputs, f"{name}={one_line(value, len(value))}\n")

    def summary(self, markdown: str) -> None:
        """Write the step's summary, cut to the size limit."""
        data = markdown.encode("utf-8", "replace")
        if len(data) > LARGEST_SUMMARY:
            data = data[:LARGEST_SUMMARY].rpartition(b"\n")[0] + b"\n\nThe rest is left out: too long.\n"
        if self._summary is not None:
            self._append(self._summary, data.decode("utf-8", "ignore"))
            return
        with self.foreign() as write:
            write(data)

    def _append(self, path: str, text: str) -> None:
        try:
            with Path(path).open("a", encoding="utf-8", newline="") as file:
                file.write(text)
        except OSError as error:
            self.warning("Maia: runner", f"{Path(path).name} cannot be written: {error.strerror or error}.")
