"""Partial responses: the `fields` parameter.

Grammar (Google: "Partial resources"): ``a,b`` several; ``a/b`` b inside a; ``a(b,c)`` b and c inside a; ``*`` all of a
level. A selection applies to each element of a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from youtube_sandbox.errors import ApiError, invalid

__all__ = ["Selection", "parse_fields", "select"]

Selection = Mapping[str, Any]
"""name → None (all of it) or the selection inside it."""

_LONGEST: Final = 2_000


def parse_fields(text: str, known: Selection) -> Selection:
    """Reads a `fields` parameter.

    Args:
        text: the parameter.
        known: the fields that the answer can have, in the shape of a selection; an empty selection allows any name.

    Raises:
        ApiError: 400 invalidParameter, as the API answers a field that does not exist.
    """
    try:
        selection = _parse(text)
    except ValueError as error:
        raise _refusal(str(error)) from None
    _check(selection, known)
    return selection


def select(value: Any, selection: Selection | None) -> Any:
    """The part of a document that a selection names; names that are not there are left out."""
    if selection is None or ("*" in selection and selection["*"] is None):
        return value
    if isinstance(value, list):
        return [select(item, selection) for item in value]
    if not isinstance(value, dict):
        return value
    star = selection.get("*")
    if star is not None:
        return {name: select(item, star) for name, item in value.items()}
    return {name: select(value[name], inner) for name, inner in selection.items() if name in value}


def _refusal(name: str) -> ApiError:
    return invalid("invalidParameter", f"Invalid field selection {name}", domain="global", location="fields")


def _check(selection: Selection, known: Selection) -> None:
    for name, inner in selection.items():
        if name != "*" and known and name not in known:
            raise _refusal(name)
        if inner is not None:
            below = known.get(name) if name != "*" else None
            if known and name != "*" and below is None:
                raise _refusal(name)
            _check(inner, below or {})


@lru_cache(maxsize=256)
def _parse(text: str) -> Selection:
    """The selection of a text; ValueError(what could not be read)."""
    if len(text) > _LONGEST:
        raise ValueError("(too long)")
    selection, rest = _level(text.replace(" ", ""))
    if rest:
        raise ValueError(text)
    return selection


def _level(text: str) -> tuple[dict[str, Any], str]:
    selection: dict[str, Any] = {}
    while True:
        inner: dict[str, Any] | None = None
        name, rest = _name(text)
        path = [name]
        while rest.startswith("/"):
            name, rest = _name(rest[1:])
            path.append(name)
        if rest.startswith("("):
            inner, rest = _level(rest[1:])
            if not rest.startswith(")"):
                raise ValueError(text)
            rest = rest[1:]
        _merge(selection, path, inner)
        if not rest.startswith(","):
            return selection, rest
        text = rest[1:]


def _name(text: str) -> tuple[str, str]:
    length = 0
    while length < len(text) and text[length] not in ",/()":
        length += 1
    if not length:
        raise ValueError(text or "(empty)")
    return text[:length], text[length:]


def _merge(selection: dict[str, Any], path: list[str], inner: dict[str, Any] | None) -> None:
    for name in path[:-1]:
        below = selection.setdefault(name, {})
        if below is None:  # all of it was named before
            return
        selection = below
    last = path[-1]
    if inner is None:
        selection[last] = None
    elif last not in selection:
        selection[last] = inner
    elif selection[last] is not None:
        for name, below in inner.items():
            _merge(selection[last], [name], below)
