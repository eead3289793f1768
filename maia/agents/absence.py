"""When an answer that leaves a video out says that the video is gone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from maia.youtube import VideoList

__all__ = ["CONTROL_IDS", "proves_absence"]

CONTROL_IDS: Final = 5
"""Videos known to be there that are asked along with doubtful ones."""

_MANY: Final = 10  # so many videos do not vanish together: an answer without any of them is a bad one


def proves_absence(answer: VideoList, asked: Collection[str], control_ids: Collection[str]) -> bool:
    """Return whether the videos that this answer leaves out count as absent.

    An odd answer proves nothing: one with an item that could not be read, with a member that is not known (it may speak
    of the ids that are missing), that counts more results than it holds, that names a video twice or one that was not
    asked for.

    Args:
        answer: what videos.list answered.
        asked: ids that were asked for, control ids apart.
        control_ids: ids that were asked along.
    """
    found = {video.id for video in answer.items}
    if answer.dropped or answer.extra or answer.total_results > len(found) or len(found) < len(answer.items):
        return False
    if not found <= {*asked, *control_ids}:
        return False
    return bool(found) or (len(asked) < _MANY and not control_ids)
