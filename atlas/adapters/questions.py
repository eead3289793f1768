"""QuestionsDAO: documented questions about the data, and statements of the user's own that only read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from atlas.database import Database, database
from atlas.db.queries import folder
from atlas.errors import AtlasError, StatementFailed

__all__ = ["Answer", "Question", "QuestionRefused", "QuestionsDAO", "questions"]

TIME_LIMIT = 60.0
"""Seconds of one statement."""

# comments, then the first word
_FIRST_WORD = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/|\()*(\w*)", re.DOTALL)
_READS = {"SELECT", "WITH", "VALUES", "TABLE"}
_LIMIT = re.compile(r"\bLIMIT \d+\b")
_SEVERAL = "cannot insert multiple commands"


@dataclass(frozen=True)
class Question:
    """A documented question: its statement, with a comment that says what it asks."""

    name: str
    statement: str

    @property
    def text(self) -> str:
        """Return what it asks."""
        lines = (line for line in self.statement.splitlines() if line.startswith("--"))
        return " ".join(line.removeprefix("--").strip() for line in lines)

    def limited(self, rows: int) -> str:
        """Return the statement with another limit, where it has one."""
        return _LIMIT.sub(f"LIMIT {rows}", self.statement)


class QuestionRefused(AtlasError):
    """A statement of the user is wrong, or does more than read."""

    exit_code = 2


@dataclass(frozen=True)
class Answer:
    """The rows of a statement, and whether there are more."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    more: bool


def questions() -> dict[str, Question]:
    """Return the documented questions by name."""
    return {name: Question(name, statement.strip()) for name, statement in folder("questions").items()}


class QuestionsDAO:
    """Run one statement in a transaction that only reads.

    Args:
        store: another database than the process's own, for tests.
    """

    def __init__(self, store: Database = database) -> None:
        self._db = store

    async def ask(self, statement: str, *, limit: int, seconds: float = TIME_LIMIT) -> Answer:
        """Return at most ``limit`` rows. Raises QuestionRefused."""
        statement = statement.strip().rstrip(";").rstrip()
        first = _FIRST_WORD.match(statement)
        if first is None or first[1].upper() not in _READS:
            raise QuestionRefused(
                "only one statement that reads is run: it begins with SELECT, WITH, VALUES or TABLE. For anything "
                "else: maia db psql"
            )
        try:
            columns, rows = await self._db.read(statement, most=limit + 1, seconds=seconds)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, OverflowError) as error:
            raise _refused(error, statement, seconds) from None
        return Answer(columns, [tuple(row) for row in rows[:limit]], more=len(rows) > limit)


def _refused(error: Exception, statement: str, seconds: float) -> AtlasError:
    said, _, _ = " ".join(str(error).split()).partition(" HINT: ")  # the driver's, about its own methods
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return QuestionRefused(
            f"the statement does more than read: {said}. Nothing was changed. To write: maia db psql"
        )
    if isinstance(error, asyncpg.QueryCanceledError):
        return StatementFailed(f"the statement took longer than {seconds:g} s: {said}. Without a limit: maia db psql")
    if _SEVERAL in said:
        return QuestionRefused("only one statement is run; these are several. For several: maia db psql")
    place = getattr(error, "position", None)
    where = f" at line {statement.count(chr(10), 0, int(place)) + 1}" if place and str(place).isdigit() else ""
    hint = f" {advice}" if (advice := getattr(error, "hint", None)) else ""
    return QuestionRefused(f"PostgreSQL refused the statement{where}: {said}.{hint}")
