"""What the demo searches for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from youtube_sandbox.dataset import Record

__all__ = ["SEEDS", "frequent"]

SEEDS = (
    "gaming", "technology", "music", "champions league", "python tutorial", "lofi hip hop", "sourdough bread",
    "black hole", "van life", "marathon training", "index funds", "3d printer",
)  # fmt: skip
"""Queries for the sandbox's own world; the Snowball finds the rest."""

_SHORTEST_WORD = 4
_LONGEST_QUERY = 60
_DULL_TEXT = """
about after again against being best could down ever every first from full have here into just last like live
make most much news official over part really season some than that their them then there these they this time
trailer under very video want week were what when where which while will with would year years your
"""
_DULL = frozenset(_DULL_TEXT.split())


def frequent(records: Sequence[Record], number: int = 40) -> list[str]:
    """The words and tags that most videos of a data set share: queries that find it.

    Args:
        records: its videos.
        number: how many queries; three in four are tags, the rest are words of titles.
    """
    tags = _ranked(tag for record in records for tag in {_plain(tag) for tag in record.tags})
    words = _ranked(
        word
        for record in records
        for word in {match.casefold() for match in re.findall(r"[^\W\d_]+", record.title)}
        if len(word) >= _SHORTEST_WORD and word not in _DULL
    )
    most_tags = [tag for tag in tags if 2 <= len(tag) <= _LONGEST_QUERY][: number - number // 4]
    return list(dict.fromkeys([*most_tags, *words]))[:number]


def _plain(tag: str) -> str:
    return " ".join(tag.casefold().split())


def _ranked(items: Iterable[str]) -> list[str]:
    """The most frequent first; of equals the one that sorts first, so that the result does not depend on the order."""
    counts = Counter(items)
    return sorted(counts, key=lambda item: (-counts[item], item))
