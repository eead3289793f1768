"""The Snowball: which tags of a video become queries."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from atlas import search_terms
from atlas.config import settings

__all__ = ["Snowball", "normalise"]

SHORTEST, LONGEST = 2, 100  # characters; YouTube's own limit for all tags of a video together is 500


def normalise(tag: str) -> str | None:
    """The tag as a query: in the form of ``atlas.search_terms``, without ``#`` around it; None if too short or too
    long."""
    text = search_terms.normalise(tag).strip("# ")
    return text if SHORTEST <= len(text) <= LONGEST else None


@dataclass(frozen=True)
class Snowball:
    """The rules by which tags are taken.

    Attributes:
        per_video: most tags of one video.
        allow: only tags in which it is found.
        deny: no tags in which it is found.
    """

    per_video: int
    allow: re.Pattern[str] | None = None
    deny: re.Pattern[str] | None = None

    @classmethod
    def configured(cls) -> Snowball:
        """As HUNTER_TAGS_PER_VIDEO, HUNTER_TAG_ALLOW and HUNTER_TAG_DENY say."""
        allow, deny = settings.hunter_tag_allow, settings.hunter_tag_deny
        return cls(
            settings.hunter_tags_per_video,
            re.compile(allow, re.IGNORECASE) if allow else None,
            re.compile(deny, re.IGNORECASE) if deny else None,
        )

    def queries(self, tags: Iterable[str]) -> list[str]:
        """The queries of one video's tags: normalised, each once, in their order, at most ``per_video``."""
        kept: dict[str, None] = {}
        for tag in tags:
            if len(kept) >= self.per_video:
                break
            query = normalise(tag)
            if query is None or (self.allow and not self.allow.search(query)):
                continue
            if self.deny and self.deny.search(query):
                continue
            kept[query] = None
        return list(kept)
