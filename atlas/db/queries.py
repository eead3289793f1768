"""The SQL: one statement per file in ``atlas/sql``, in a folder per caller, loaded as ``folder/name``.

The caller fills in two kinds of names:

- ``$word`` is an identifier, which is quoted here: ``$schema.videos``. ``$schema`` is DATABASE_SCHEMA unless given. A
  table name with its schema works behind any pooler, where a search_path may get lost.
- ``:word`` is a parameter. PostgreSQL knows only ``$1``, ``$2``, so each ``:word`` gets a number, in the order of
  first use.

A statement of up to about five parameters may number them itself: ``fetch(sql("quota/settle_calls"), day, key)``.
A longer one names them, and ``bind`` puts the values in order: ``fetch(*bind("hunter/advance_topic", topic=1, ...))``.
"""

from __future__ import annotations

import functools
import re
from importlib import resources
from pathlib import Path
from typing import Any

from atlas.config import settings

_FOLDER = resources.files("atlas") / "sql"
_IDENTIFIER = re.compile(r"\$([a-z_]+)\b(?!\$)")  # $1, $2 … are the driver's, $body$ is a quote
_PARAMETER = re.compile(
    r"""
    [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*'   # strings
    | "[^"]*"                                   # quoted identifiers
    | --[^\n]* | /\*.*?\*/                      # comments
    | (?P<quote>\$\w*\$).*?(?P=quote)           # dollar quotes
    | ::                                        # casts
    | (?<![\w\]]):(?P<name>[a-z_][a-z0-9_]*)    # a parameter, and not the end of an array's slice
    """,
    re.VERBOSE | re.DOTALL,
)


def sql(name: str, **identifiers: str) -> str:
    """Return the statement in ``atlas/sql/{name}.sql`` as the driver takes it, with identifiers for its ``$word``."""
    if not identifiers:
        return _in_schema(name, settings.database_schema)
    return _filled(name, {"schema": settings.database_schema, **identifiers})


def bind(name: str, /, **values: Any) -> tuple[str, *tuple[Any, ...]]:
    """Return a statement and the arguments for its parameters, in the driver's order.

    ``values`` are for each ``:word``, and each ``$word`` but ``$schema``. Raises TypeError where it names others.
    """
    parameters = _numbered(name)[1]
    identifiers = {word: value for word, value in values.items() if word not in parameters}
    try:
        return sql(name, **identifiers), *(values[word] for word in parameters)
    except KeyError as missing:
        raise TypeError(f"{name}.sql needs {missing}") from None


def names() -> list[str]:
    """Return the names of all statements."""
    root = Path(str(_FOLDER))
    return sorted(str(file.relative_to(root).with_suffix("").as_posix()) for file in root.rglob("*.sql"))


def folder(name: str) -> dict[str, str]:
    """Return the statements of a folder by the names of their files; none of them has parameters."""
    found = (each for each in names() if each.startswith(f"{name}/"))
    return {each.removeprefix(f"{name}/"): sql(each) for each in found}


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


@functools.cache
def _in_schema(name: str, schema: str) -> str:
    return _filled(name, {"schema": schema})


def _filled(name: str, identifiers: dict[str, str]) -> str:
    text = _numbered(name)[0]
    if unknown := identifiers.keys() - {"schema", *_IDENTIFIER.findall(text)}:
        raise TypeError(f"{name}.sql does not name {', '.join(sorted(unknown))}")
    return _IDENTIFIER.sub(lambda match: _quoted(identifiers[match[1]]), text)


@functools.cache
def _numbered(name: str) -> tuple[str, tuple[str, ...]]:
    """Return a statement with ``$1``, ``$2`` … in place of its named parameters, and their names in that order."""
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        if match["name"] is None:
            return match[0]
        return f"${numbers.setdefault(match['name'], len(numbers) + 1)}"

    text = _PARAMETER.sub(number, _text(name))
    return text, tuple(numbers)


@functools.cache
def _text(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
