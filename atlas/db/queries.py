"""The SQL: one statement per file in ``atlas/sql``, in a folder per caller, loaded as ``folder/name``.

Tables are written ``$schema.videos``: the schema is a setting, and a name with its schema is found through any pooler,
where a search_path may get lost between two transactions.
"""

from __future__ import annotations

import functools
import re
from importlib import resources
from pathlib import Path

from atlas.config import settings

__all__ = ["names", "sql"]

_FOLDER = resources.files("atlas") / "sql"
_NAME = re.compile(r"\$([a-z_]+)")  # $1, $2 … are the driver's


def sql(name: str, **identifiers: str) -> str:
    """The statement in ``atlas/sql/{name}.sql``.

    Args:
        name: the file's path below ``atlas/sql``, without its ending: ``hunter/claim_topics``.
        identifiers: what stands for ``$word`` in it, such as the name of a partition; quoted here. ``$schema`` is
            DATABASE_SCHEMA unless given.
    """
    if not identifiers:
        return _in_schema(name, settings.database_schema)
    return _filled(name, {"schema": settings.database_schema, **identifiers})


def names() -> list[str]:
    """The names of all statements."""
    folder = Path(str(_FOLDER))
    return sorted(str(file.relative_to(folder).with_suffix("").as_posix()) for file in folder.rglob("*.sql"))


def _quoted(identifier: str) -> str:
    """As an identifier in a statement, whatever it holds."""
    return '"' + identifier.replace('"', '""') + '"'


@functools.cache
def _in_schema(name: str, schema: str) -> str:
    return _filled(name, {"schema": schema})


def _filled(name: str, identifiers: dict[str, str]) -> str:
    return _NAME.sub(lambda match: _quoted(identifiers[match[1]]), _text(name))


@functools.cache
def _text(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
