"""What a check says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Checked"]


@dataclass(frozen=True)
class Checked:
    """What came of a check.

    Attributes:
        name: the check's.
        looked_at: how many things it looked at.
        violations: a line each.
    """

    name: str
    looked_at: int
    violations: Sequence[str] = ()
