"""What the driver writes down while it goes on: each process and each fault, a line of JSON each."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["Notes", "now"]


def now() -> str:
    """Real time, ISO 8601."""
    return datetime.now(UTC).isoformat()


class Notes:
    """Two files of a run's folder: ``processes.jsonl`` and ``faults.jsonl``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def process(self, **entry: Any) -> None:
        """A process that has ended."""
        self._add("processes", entry)

    @contextlib.contextmanager
    def fault(
        self, kind: str, *, place: str | None = None, step: str | None = None, detail: str = ""
    ) -> Iterator[None]:
        """A fault that lasts as long as the block."""
        at = now()
        try:
            yield
        finally:
            entry = {"at": at, "kind": kind, "place": place, "step": step, "until": now(), "detail": detail}
            self._add("faults", entry)

    def _add(self, name: str, entry: dict[str, Any]) -> None:
        with (self._folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
