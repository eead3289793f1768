"""Damage to JSON documents, drawn by hypothesis: what a server, a proxy or an attacker may make of a good answer."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

__all__ = [
    "LONG",
    "Damaged",
    "Place",
    "damaged",
    "is_json",
    "nested",
    "odd_values",
    "places",
    "put",
    "said",
    "same",
    "take",
    "written",
]

Place = tuple[str | int, ...]
"""Where something stands in a document: the names and numbers on the way to it."""

LONG = 5_000_000
"""Characters of the longest text."""


def literal(text: str) -> str:
    """Stands for JSON that Python's own writer does not write, see `written`."""
    return f"\ue000{text}\ue001"


def nested(depth: int) -> str:
    """Stands for lists in lists, see `written`."""
    return literal("[" * depth + "]" * depth)


_MARKED = re.compile(r'"\\ue000(.*?)\\ue001"')

_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 0.5, -0.0, 2**31, 2**63 - 1, 2**63, 2**64, -(2**70), 10**300, float("nan"), float("inf"),
    literal("-Infinity"), literal("1e400"), literal("-1e999"), literal("1E5"), literal("9" * 400), literal("9" * 5000),
    "", " ", "0", "-5", "+5", "1e5", "٣", "²", "9" * 19, "9" * 5000, str(2**63), str(2**63 - 1), "none", "null", "true",
    "\0", "a\0b", "\ud800", "x\udfff", "\udc00\ud800", "\ud83d", "&#0;", "&#xD800;", "&amp;lt;", "\ufeff", "\u202e",
    "a\x1fb", "a\r\nb", "a\u2028b", "\x1b[31mred", "::set-output name=x::y", "##[error]x", "<script>x</script>", "%00",
    "2026-11-22T08:00:00", "2026-13-45T99:99:99Z", "0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.999999Z", "1/d/{project}", "P0D", "P999999999D", "P999999999W",
    "PT999999999H999999999M999999999S", "PT1.5S", "253.5s", "999999999999.9s", "P", "PT", "P1Y",
    [], {}, [[]], [None], [1, "a"], {"": None}, {"a": {"b": []}}, ["a"] * 300, ["x" * 600],
    nested(200), nested(900), nested(1100), nested(100_000),
)  # fmt: skip

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def odd_values(*more: Any) -> st.SearchStrategy[Any]:
    """Values that no reader expects: mostly those that have broken readers before, and some of any kind."""
    return st.sampled_from((*_ODD, *more)) | st.sampled_from((*_ODD, *more)) | _values | st.text()


def written(document: object) -> bytes:
    """The document as JSON text, half surrogate pairs as escapes, with what stands for a literal as that literal."""
    text = json.dumps(document)
    return _MARKED.sub(lambda match: match[1], text).encode() if "\\ue000" in text else text.encode()


def said(body: bytes) -> Any:
    """What a body says to a reader whose numbers are doubles; raises ValueError or RecursionError."""

    def refused(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(body, parse_constant=refused, parse_int=lambda text: int(text) if len(text) < 19 else float(text))


def same(one: object, other: object) -> bool:
    """Whether two documents are equal, their numbers as doubles, however deep they are."""
    waiting = [(one, other)]
    while waiting:
        left, right = waiting.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            if left.keys() != right.keys():
                return False
            waiting.extend((left[name], right[name]) for name in left)
        elif isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                return False
            waiting.extend(zip(left, right, strict=True))
        elif isinstance(left, bool) or isinstance(right, bool) or not isinstance(left, int | float):
            if left is not right and left != right:
                return False
        elif not isinstance(right, int | float) or float(left) != float(right):
            return False
    return True


def is_json(value: object) -> bool:
    """Whether a value can stand in a document that any reader reads."""
    try:
        said(written(value))
    except (ValueError, RecursionError):
        return False
    return True


def places(document: object, at: Place = ()) -> Iterator[Place]:
    """Every place in a document but its root."""
    members: Sequence[tuple[str | int, object]]
    if isinstance(document, dict):
        members = list(document.items())
    elif isinstance(document, list):
        members = list(enumerate(document))
    else:
        return
    for name, value in members:
        yield (*at, name)
        yield from places(value, (*at, name))


def take(document: Any, place: Place) -> Any:
    """What stands there."""
    for name in place:
        document = document[name]
    return document


def put(document: Any, place: Place, value: object) -> None:
    """Puts something there in place of what there is."""
    take(document, place[:-1])[place[-1]] = value


class Damaged:
    """A damaged document: what is wrong with it, the document as far as Python holds it, and its text."""

    def __init__(self, damage: list[tuple[str, Place]], document: Any, body: bytes) -> None:
        self.damage, self.document, self.body = damage, document, body

    def __repr__(self) -> str:
        return f"{self.damage}: {self.body[:2000]!r}"


_CHANGES = (
    "replace", "replace", "replace", "replace", "remove", "remove", "null", "list of it", "text", "turned", "twice",
    "added", "negative",
)  # fmt: skip


def change(draw: st.DrawFn, document: Any, place: Place, odd: st.SearchStrategy[Any]) -> str:
    """Damages one place of a document; says how."""
    how = draw(st.sampled_from(_CHANGES))
    parent, name, found = take(document, place[:-1]), place[-1], take(document, place)
    if how == "remove":
        del parent[name]
    elif how == "null":
        parent[name] = None
    elif how == "list of it":
        parent[name] = [found]
    elif how == "turned" and isinstance(found, dict | list):
        parent[name] = list(found.values()) if isinstance(found, dict) else dict(zip("abcdefgh", found, strict=False))
    elif how == "twice" and isinstance(parent, list):
        parent.insert(draw(st.integers(0, len(parent))), copy.deepcopy(found))
    elif how == "added" and isinstance(found, dict | list):
        value = copy.deepcopy(draw(odd))
        if isinstance(found, dict):
            found[draw(st.text(max_size=6) | st.just("_maia"))] = value
        else:
            found.insert(draw(st.integers(0, len(found))), value)
    elif how == "negative" and isinstance(found, str | int):
        parent[name] = f"-{found}" if isinstance(found, str) else -found
    elif how == "text" and isinstance(found, str):
        cut = draw(st.integers(0, len(found)))
        parent[name] = found[:cut] + draw(st.sampled_from(("\0", "\ud83d", "\udc00", "\u202e", "\n"))) + found[cut:]
    else:
        how = "replace"
        # rarely: it is slow, and once is enough to know
        parent[name] = "x" * (LONG // 5) if draw(st.integers(0, 400)) == 400 else copy.deepcopy(draw(odd))
    return how


@st.composite
def damaged(
    draw: st.DrawFn,
    document: Any,
    *,
    most: int = 4,
    cut: bool = False,
    odd: st.SearchStrategy[Any] | None = None,
    often: Collection[Place] = (),
) -> Damaged:
    """A document with one to `most` places damaged and, with `cut`, sometimes only the first bytes of its text.

    Of the places `often` is damaged as often as all others together.
    """
    odd = odd_values() if odd is None else odd
    changed = copy.deepcopy(document)
    damage: list[tuple[str, Place]] = []
    for _ in range(draw(st.integers(1, most))):
        there = list(places(changed))
        if not there:
            break
        preferred = [place for place in there if place in often]
        place = draw(st.sampled_from(preferred if preferred and draw(st.booleans()) else there))
        damage.append((change(draw, changed, place, odd), place))
    body = written(changed)
    if cut and draw(st.integers(0, 9)) == 9:
        end = draw(st.integers(0, len(body)))
        damage.append(("cut", (end,)))
        body = body[:end] + draw(st.sampled_from((b"", b"\xff", b"\xed\xa0\x80", b"\0", b"}}")))
    return Damaged(damage, changed, body)
