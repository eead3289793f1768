"""The SQL: one statement per file, each used, and none put together in Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import atlas
from atlas.db import queries
from atlas.db.queries import bind, names, sql

pytestmark = pytest.mark.wheel

PACKAGE = Path(atlas.__file__).parent
SOURCES = [path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts]
# a statement, and no English sentence that begins with such a word
SQL = re.compile(
    r"\s*(SELECT\s.*\bFROM\b|INSERT\s+INTO\b|UPDATE\s+\S+.*\sSET\b|DELETE\s+FROM\b|WITH\s+\w+\s+AS\b|CREATE\s|DROP\s|"
    r"ALTER\s|SELECT\s+\w+\()",
    re.DOTALL,
)


LOADERS = {"sql", "bind", "folder"}


def used() -> set[str]:
    found: set[str] = set()
    for path in set(SOURCES) - {Path(queries.__file__)}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in LOADERS:
                (argument,) = node.args
                assert isinstance(argument, ast.Constant), f"{path.name}:{node.lineno}: name it by a literal"
                whole = node.func.id == "folder"
                found |= (
                    {name for name in names() if name.startswith(f"{argument.value}/")} if whole else {argument.value}
                )
    return found


def test_every_statement_is_used_and_every_one_that_is_used_exists() -> None:
    assert used() == set(names())


SCRIPTS = {"roles/grant_rights"}
"""Files with several statements, which people also run by themselves."""


@pytest.mark.parametrize("name", names())
def test_a_file_holds_one_statement_that_says_what_its_parameters_are(name: str) -> None:
    text = (PACKAGE / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    assert text.startswith("-- ")
    comments = "\n".join(line for line in text.splitlines() if line.startswith("--"))
    body = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    assert ";" not in body or name in SCRIPTS
    wanted = {int(number) for number in re.findall(r"\$(\d+)", body)}
    assert wanted == set(range(1, len(wanted) + 1)), "the parameters are numbered without a gap"
    explained = {int(number) for number in re.findall(r"\$(\d+)", comments)}
    assert explained == wanted, "the comment says what each number is"
    assert not wanted or not queries._numbered(name)[1], "parameters have names or numbers, not both"


def test_a_name_without_a_file_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        sql("no_such_statement")


@pytest.fixture
def statement(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the text of the statement ``any/name``."""
    yield lambda text: monkeypatch.setattr(queries, "_text", lambda _name: text)
    queries._numbered.cache_clear()
    queries._in_schema.cache_clear()


@pytest.mark.parametrize(
    ("text", "numbered", "parameters"),
    [
        ("SELECT :b, :a, :b", "SELECT $1, $2, $1", "b a"),
        ("SELECT :a::text[], a::b, '1'::interval", "SELECT $1::text[], a::b, '1'::interval", "a"),
        (r"SELECT ':x ''' || :a, E'\':x' || :b", r"SELECT ':x ''' || $1, E'\':x' || $2", "a b"),
        ("SELECT \":x\" -- :y isn't\n, :a /* ':z */, :b", "SELECT \":x\" -- :y isn't\n, $1 /* ':z */, $2", "a b"),
        ("DO $$ :x $$; DO $f$ $$ :y $f$; SELECT :a", "DO $$ :x $$; DO $f$ $$ :y $f$; SELECT $1", "a"),
        ("SELECT l[1:n], l[:a], f(v := :b_2)", "SELECT l[1:n], l[$1], f(v := $2)", "a b_2"),
        ("SELECT $2, $1", "SELECT $2, $1", ""),
    ],
)
def test_named_parameters_become_numbers_in_the_order_of_their_first_place(
    statement: Callable[[str], None], text: str, numbered: str, parameters: str
) -> None:
    statement(text)
    values = {name: object() for name in parameters.split()}
    assert bind("any/name", **values) == (numbered, *values.values())


def test_identifiers_are_quoted_wherever_they_stand(statement: Callable[[str], None]) -> None:
    statement("SELECT '$table'::regclass, :name FROM $schema.$table")
    assert bind("any/name", table='a"b', name=1) == ("""SELECT '"a""b"'::regclass, $1 FROM "public"."a""b\"""", 1)


@pytest.mark.parametrize("values", [{}, {"id": 1}, {"id": 1, "at": 2, "other": 3}])
def test_values_are_exactly_those_that_a_statement_names(
    statement: Callable[[str], None], values: dict[str, int]
) -> None:
    statement("SELECT :id, :at")
    with pytest.raises(TypeError, match=r"^any/name\.sql (needs|does not name)"):
        bind("any/name", **values)


def texts(path: Path) -> list[tuple[int, str, bool]]:
    """The line, the text and whether it is put together, of each string that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values]
            made = any(isinstance(part, ast.FormattedValue) for part in node.values)
            found.append((node.lineno, "".join(parts), made))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            found.append((node.lineno, node.value, False))
    return found


# what a migration and `atlas status` ask of the server itself; of the tables of Atlas they read the version alone
OWN_SQL = {"migrate.py", "database.py", "status.py"}
# a lock's number: a constant of the module
PUT_TOGETHER = {"SELECT pg_advisory_xact_lock(x)"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_sql_stands_in_python_and_none_is_put_together_there(path: Path) -> None:
    for line, text, made in texts(path):
        if not SQL.match(text):
            continue
        assert path.name in OWN_SQL or "embedded" in path.parts, f"{path.name}:{line}: {text!r} belongs into atlas/sql"
        assert not made or text in PUT_TOGETHER, f"{path.name}:{line}: {text!r} is put together"


def test_maia_holds_no_sql() -> None:
    maia = PACKAGE.parent / "maia"
    for path in maia.rglob("*.py"):
        for line, text, _ in texts(path):
            assert not SQL.match(text), f"{path}:{line}: {text!r}"
