"""Search terms in their one form: what the search queue stores, compares and sends to YouTube as ``q``."""

from __future__ import annotations

import re
import unicodedata

LONGEST_QUERY = 500
"""Characters of a user's own query. YouTube documents no limit for ``q``. A character takes at most 12 bytes of a URL,
so that a query of this length stays, with the other parameters, below the 8,000 bytes that RFC 9110 asks of servers."""

_INVISIBLE = {"Cc": " ", "Cs": " ", "Zl": " ", "Zp": " ", "Cf": ""}
# invisible, but of other categories: fillers, the grapheme joiner, variation selectors
_FILLERS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_JOINERS = "\u200c\u200d"
_SPACES = re.compile(r"\s+")
_NO_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " ")


def normalise(text: str) -> str:
    """Return the text in NFKC, case folded, with single spaces, without control and invisible characters.

    A joiner stays where a script or an emoji needs it: between two characters that have no case and are not ASCII.
    """
    if text.isascii() and text.isprintable():  # most texts are, and need no look at each character
        return _SPACES.sub(" ", text).strip().lower()
    text = unicodedata.normalize("NFKC", text)
    if not text.isascii():
        text = _FILLERS.sub("", text)
    text = "".join(_INVISIBLE.get(unicodedata.category(char), char) if char not in _JOINERS else char for char in text)
    text = "".join(char for number, char in enumerate(text) if char not in _JOINERS or _joins(text, number))
    # folding the case can leave a sequence that NFKC would write otherwise
    return unicodedata.normalize("NFKC", _SPACES.sub(" ", text).strip().casefold())


def _joins(text: str, number: int) -> bool:
    neighbours = text[number - 1 : number] + text[number + 1 : number + 2]
    return len(neighbours) == 2 and all(not char.isascii() and char.lower() == char.upper() for char in neighbours)


def spelling(text: str) -> str:
    """Return a user's query as it is shown: with single spaces, without control characters."""
    return " ".join(text.translate(_NO_CONTROLS).split())


def query_term(text: str) -> str:
    """Return the form in which a user's query is stored and searched; operators of ``q`` and ``#`` are part of it.

    Raises:
        ValueError: it is empty, too long, or no text; the message names which.
    """
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("is no text in UTF-8")
    term = normalise(text)
    if not term:
        raise ValueError("has no visible character")
    if len(term) > LONGEST_QUERY:
        raise ValueError(f"has {len(term):,} characters; a query may have {LONGEST_QUERY}")
    return term
