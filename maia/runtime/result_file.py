"""The result file: one JSON object that says how a run ended, for the action, the workflow and people."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from atlas.figures import shortened
from atlas.redaction import scrub
from atlas.sanitize import sanitize_line
from atlas.times import iso
from maia.runtime.exitcodes import Outcome

LONGEST_LINE: Final = 1000
"""Characters of an error line: enough for any message of ours, too few for a page of HTML."""


def one_line(text: str) -> str:
    """Return `text` on one line, without control characters and secrets, at most `LONGEST_LINE` characters."""
    # Scrubbed first: a secret that spans a line break must not slip through in a changed form.
    return shortened(" ".join(sanitize_line(scrub(text)).split()), LONGEST_LINE)


def describe(exc: BaseException) -> str:
    """Return what happened on one line: the message of `exc`, or the name of its class where it has none."""
    text = one_line(str(exc))
    # Our own messages are complete; those of other libraries need the class.
    own = type(exc).__module__.partition(".")[0] in {"atlas", "maia"}
    if not text:
        return type(exc).__name__
    return text if own else one_line(f"{type(exc).__name__}: {text}")


@dataclass(frozen=True, slots=True)
class RunResult:
    """How one run of one agent ended; `stats`: what it returned, or had recorded when it was cut short."""

    agent: str
    shard: str
    outcome: Outcome
    exit_code: int
    started_at: datetime
    finished_at: datetime
    stats: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None

    def to_json(self) -> bytes:
        """Return the JSON object of the result file; values that JSON does not know become text."""
        head: dict[str, Any] = {
            "agent": self.agent,
            "shard": self.shard,
            "outcome": str(self.outcome),
            "exit_code": int(self.exit_code),
            "started_at": iso(self.started_at, "milliseconds"),
            "finished_at": iso(self.finished_at, "milliseconds"),
        }
        tail = {"error": one_line(self.error)} if self.error else {}
        options = orjson.OPT_NON_STR_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        try:
            return orjson.dumps({**head, "stats": dict(self.stats), **tail}, default=str, option=options)
        except orjson.JSONEncodeError:
            # Some value of the stats cannot be written at all: the outcome is worth more than they are.
            return orjson.dumps({**head, "stats": {}, **tail}, option=options)

    def write(self, path: Path) -> None:
        """Replace the file in one step: a reader sees the old one or the whole new one. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.to_json())
            # mkstemp makes it private; the action's next step has to read it.
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
