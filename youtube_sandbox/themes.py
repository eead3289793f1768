"""Read what the seeded world's videos are about: invented titles, tags and channel names, in themes.json.

Themes share tags with their neighbours, so that a Snowball that starts in one of them reaches all. Each subject is a
tag that some videos share.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import orjson


@dataclass(frozen=True)
class Theme:
    """One theme."""

    name: str  # its first tag
    category: int  # YouTube's number
    weight: float  # share of the world's channels
    core: tuple[str, ...]  # tags that most of its videos share
    subjects: tuple[str, ...]  # what a video is about; a tag each
    titles: tuple[str, ...]  # patterns with {s} for the subject, {t} for another subject and {n} for a number
    neighbours: tuple[str, ...]  # names of the themes that it shares tags with
    minutes: float  # usual length


_DATA: Final[dict[str, Any]] = orjson.loads(files("youtube_sandbox").joinpath("themes.json").read_bytes())


def _theme(data: dict[str, Any]) -> Theme:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    return Theme(**values)


THEMES: Final = tuple(map(_theme, _DATA["themes"]))
EVERYWHERE: Final[tuple[str, ...]] = tuple(_DATA["everywhere"])
"""Tags that any video may carry."""
CHANNEL_FIRST: Final[tuple[str, ...]] = tuple(_DATA["channel_first"])
CHANNEL_LAST: Final[tuple[str, ...]] = tuple(_DATA["channel_last"])
