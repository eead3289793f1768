"""How a run of Maia ended, be it a child process or a container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ended:
    """`code` as a shell gives it; `result` is the result file, None where it wrote none."""

    code: int
    stdout: str
    stderr: str
    result: dict[str, Any] | None

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @property
    def reason(self) -> str:
        """The one line that says why, or nothing."""
        agents = ("maia hunter: ", "maia tracker: ", "maia janitor: ")
        lines = [line for line in self.stderr.splitlines() if line.startswith(agents)]
        assert len(lines) <= 1, self.stderr
        return lines[0] if lines else ""
