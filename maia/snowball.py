"""The Snowball: which tags of a video become queries."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from atlas.config import settings

__all__ = ["Snowball", "normalise"]

SHORTEST, LONGEST = 2, 100  # characters; YouTube's own limit for all tags of a video together is 500

# marks that nobody sees would make one query two, each with a search of its own; joiners are part of scripts and emoji
_INVISIBLE = {"Cc": " ", "Cs": " ", "Zl": " ", "Zp": " ", "Cf": ""}
_JOINERS = "\u200c\u200d"
_SPACES = re.compile(r"\s+")


def normalise(tag: str) -> str | None:
    """The tag as a query: NFKC, case folded, single spaces, no control characters; None if too short or too long."""
    if tag.isascii() and tag.isprintable():  # most are, and need no look at each character
        text = _SPACES.sub(" ", tag).strip("# ").lower()
        return text if SHORTEST <= len(text) <= LONGEST else None
    text = unicodedata.normalize("NFKC", tag)
    text = "".join(_INVISIBLE.get(unicodedata.category(char), char) if char not in _JOINERS else char for char in text)
    # folding the case can leave a sequence that NFKC would write otherwise
    text = unicodedata.normalize("NFKC", _SPACES.sub(" ", text).strip("# ").casefold())
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
