"""The Snowball: which tags of a video become queries."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from atlas import search_terms
from atlas.config import settings

__all__ = ["LONGEST", "SHORTEST", "normalise", "snowball"]

SHORTEST, LONGEST = 2, 100  # characters; YouTube's own limit for all tags of a video together is 500


def snowball(tags: Iterable[str]) -> list[str]:
    """Return the queries of one video's tags, each once, in their order, as HUNTER_TAGS_PER_VIDEO and the patterns say.

    A tag has to match HUNTER_TAG_ALLOW and must not match HUNTER_TAG_DENY.
    """
    allow, deny = _pattern(settings.hunter_tag_allow), _pattern(settings.hunter_tag_deny)
    queries: dict[str, None] = {}
    for tag in tags:
        if len(queries) >= settings.hunter_tags_per_video:
            break
        query = normalise(tag)
        if query and (not allow or allow.search(query)) and not (deny and deny.search(query)):
            queries[query] = None
    return list(queries)


def normalise(tag: str) -> str | None:
    """Return the tag in the form of ``atlas.search_terms``, without ``#`` around it; None if too short or too long."""
    text = search_terms.normalise(tag).strip("# ")
    return text if SHORTEST <= len(text) <= LONGEST else None


@functools.cache
def _pattern(text: str | None) -> re.Pattern[str] | None:
    return re.compile(text, re.IGNORECASE) if text else None
