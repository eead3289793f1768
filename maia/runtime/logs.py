"""How a process logs: people read lines (rich on a terminal), machines read JSON.

No secret gets through either, and nothing that would steer a terminal or GitHub's runner. Of a text of several
lines the others are indented, so that none of them can pass for a line of the log's own.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

from atlas.redaction import scrub
from atlas.sanitize import escape_workflow_commands, sanitize
from atlas.times import iso

# at INFO these log single requests
_CHATTY = (
    *("httpx", "httpx2", "httpcore", "httpcore2", "huggingface_hub", "alembic", "asyncio", "aiohttp"),
    *("fsspec", "s3fs", "botocore", "aiobotocore"),
)


def _format_time(record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG001  as logging calls it
    return iso(datetime.fromtimestamp(record.created, UTC))


_TERMINAL = "maia terminal"  # the name of the handler that writes lines for people to a terminal


def log_is_on_terminal() -> bool:
    """Return whether `set_up_logging` sent the log to a terminal, as lines for people."""
    return any(handler.name == _TERMINAL for handler in logging.getLogger().handlers)


class _Scrubbing(logging.Formatter):
    """Format like another formatter, without secrets and without what a terminal or runner would obey."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        text = sanitize(scrub(self._inner.format(record)), keep="\n")
        return escape_workflow_commands(text.replace("\n", "\n    "))


class _ScrubbingJson(_Scrubbing):
    """The same for JSON, in whose strings every control character is escaped already."""

    def format(self, record: logging.LogRecord) -> str:
        return scrub(self._inner.format(record)).replace("##[", "#\\u0023[")


def set_up_logging(*, json: bool = False, verbose: bool = False) -> None:
    """Send the log to stderr; `verbose`: with DEBUG of our own packages."""
    handler: logging.Handler
    if json:
        from pythonjsonlogger.json import JsonFormatter  # noqa: PLC0415

        handler = logging.StreamHandler(sys.stderr)
        names = {"asctime": "time", "levelname": "level", "name": "logger"}
        inner: logging.Formatter = JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=names)
    elif sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415
        from rich.logging import RichHandler  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        # titles and queries may hold what looks like markup: it is text
        handler = RichHandler(
            console=Console(stderr=True), show_path=False, markup=False, highlighter=None,
            log_time_format=lambda at: Text(iso(at)),
        )  # fmt: skip
        handler.name = _TERMINAL
        inner = logging.Formatter("%(message)s")
    else:
        handler = logging.StreamHandler(sys.stderr)
        inner = logging.Formatter("%(asctime)s %(levelname)-8s %(name)s: %(message)s")
    inner.formatTime = _format_time  # type: ignore[method-assign]
    handler.setFormatter(_ScrubbingJson(inner) if json else _Scrubbing(inner))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    if verbose:
        for name in ("maia", "atlas"):
            logging.getLogger(name).setLevel(logging.DEBUG)
