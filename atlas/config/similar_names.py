"""Find variables that look like settings but are not: misspelt names, and names of single keys."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["POOL", "similar_settings"]

POOL = "YOUTUBE_API_KEY_POOL_JSON"

# only Maia's settings start with these; other tools use DATABASE_, VAULT_, HF_, PREFECT_ and others too
_OURS = ("HUNTER_", "TRACKER_", "JANITOR_", "KEY_POOL_")
_A_KEY = re.compile(r"(YOUTUBE|YT)_(\w+_)?KEYS?(_POOL)?(_JSON)?")
# names that hosts of databases, their tools and other projects use
_A_DATABASE = re.compile(
    r"(DB|PG|POSTGRES(QL)?|TIMESCALE(DB)?(_SERVICE)?|(MAIA|ATLAS|NEON|SUPABASE)_(DATABASE|DB))_?UR[IL]"
    r"|DATABASE_(PRIVATE|PUBLIC)_URL"
)
_OURS_ALIKE = 0.6  # of 1: how similar two names must be
_ALIKE = 0.85


def similar_settings(names: Iterable[str], known: Collection[str], given: Collection[str]) -> dict[str, str | None]:
    """Return the names that look like settings but are not, each with the setting that was probably meant.

    `known` are all settings, in upper case, and `given` those that are set: a foreign name similar to one of these is
    ignored.
    """
    found: dict[str, str | None] = {}
    for name in names:
        upper = name.upper()
        if upper in known:
            continue
        ours = upper.startswith(_OURS)
        if _A_KEY.fullmatch(upper):
            near: str | None = POOL
        elif _A_DATABASE.fullmatch(upper):
            near = "DATABASE_URL"
        else:
            near = next(iter(get_close_matches(upper, known, 1, _OURS_ALIKE if ours else _ALIKE)), None)
        if ours or (near is not None and near not in given):
            found[name] = near
    return found
