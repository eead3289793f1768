"""When an answer that leaves a video out says that the video is gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from maia.youtube import VideoList

__all__ = ["WITNESSES", "proves_absence"]

WITNESSES: Final = 5
"""Videos known to be there that are asked along with doubtful ones."""

_MANY: Final = 10  # so many videos do not vanish together: an answer without any of them is a bad one


def proves_absence(answer: VideoList, asked: int, witnesses: Sequence[str]) -> bool:
    """Whether the videos that this answer leaves out count as absent.

    Args:
        answer: what videos.list answered.
        asked: for how many videos, witnesses apart.
        witnesses: ids that were asked along.
    """
    if answer.dropped:
        return False  # something in it could not be read: it may be any of those that are missing
    return bool(answer.items) or (asked < _MANY and not witnesses)
