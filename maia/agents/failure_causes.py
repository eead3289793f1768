"""Why items of a batch failed: each cause once, with how often, so that the error of a run names it."""

from __future__ import annotations

from collections import Counter
from typing import Final

from maia.runtime.result_file import one_line
from maia.youtube import YouTubeError

__all__ = ["Causes"]

_MOST: Final = 3
_LONGEST: Final = 300  # characters of one cause


class Causes:
    """The causes of one kind of failure, such as of searches that failed."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()
        self._said: dict[str, str] = {}

    def record(self, error: Exception, times: int = 1) -> None:
        """Count an error. Those of the same status and reason, or of the same text, are one cause."""
        cause, said = (error.cause, error.quote) if isinstance(error, YouTubeError) else (str(error), "")
        cause = _short(cause) or type(error).__name__
        self._times[cause] += times
        self._said[cause] = self._said.get(cause) or _short(said)

    def clear(self) -> None:
        """Forget all of them."""
        self._times.clear()
        self._said.clear()

    def __str__(self) -> str:
        """`400 invalidParameter (2): what YouTube says; 503 (1)`: the most frequent first, at most three."""
        shown = [
            f"{cause} ({times:,})" + (f": {self._said[cause]}" if self._said[cause] else "")
            for cause, times in self._times.most_common(_MOST)
        ]
        more = len(self._times) - len(shown)
        return "; ".join([*shown, *([f"and {more} more"] if more else [])])


def _short(text: str) -> str:
    line = one_line(text).rstrip(".")
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
