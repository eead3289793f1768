"""The SQL: one statement per file in ``atlas/sql``, named for what it does and loaded by that name."""

from __future__ import annotations

import functools
from importlib import resources

__all__ = ["names", "sql"]

_FOLDER = resources.files("atlas") / "sql"


@functools.cache
def sql(name: str) -> str:
    """The statement in ``atlas/sql/{name}.sql``, without its comments' cost at run time: loaded once."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def names() -> list[str]:
    """The names of all statements."""
    return sorted(item.name.removesuffix(".sql") for item in _FOLDER.iterdir() if item.name.endswith(".sql"))
