"""The clock is read where it is used, and once: no border of a day may lie between two readings of one thing."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from ..support.documents import CHECKOUT

READERS = {"now", "utcnow", "today"}
"""Methods that read a clock, such as ``datetime.now``, ``date.today`` and ``RetentionLimits.now``."""

PACKAGES = ("action", "atlas", "maia", "youtube_sandbox")
HARNESSES = ("demo", "harness")

TWICE = {
    "action/container.py:_run": "when a container began and when it ended, for the times that docker reports",
    "youtube_sandbox/server.py:_answer": "when a call came, and when it is answered after a delay that was asked for",
}
"""Functions that read one clock more than once, with the reason why no border can lie between."""


def sources(*folders: str, only: str = r"\.(now|utcnow|today)\(|time\.time") -> dict[str, str]:
    """Return the modules that may read a clock, or hold another pattern, by their path in the checkout."""
    paths = [path for folder in folders for path in sorted((CHECKOUT / folder).rglob("*.py"))]
    texts = {str(path.relative_to(CHECKOUT)): path.read_text(encoding="utf-8") for path in paths}
    if not (CHECKOUT / "atlas").is_dir():
        pytest.skip("the sources are part of the checkout")
    return {name: text for name, text in texts.items() if re.search(only, text)}


def reading(node: ast.AST) -> str | None:
    """Return the clock that a call reads, such as ``datetime.now``; None: it reads none."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    name = ast.unparse(node.func)
    return name if node.func.attr in READERS or name in {"time.time", "time.time_ns"} else None


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what is evaluated when the module is imported: all but the bodies of functions."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            outside = [*getattr(child, "decorator_list", ()), *child.args.defaults, *child.args.kw_defaults]
            for part in filter(None, outside):
                yield part
                yield from at_import(part)
        else:
            yield child
            yield from at_import(child)


def within(function: ast.AST) -> Iterator[ast.AST]:
    """Yield what a function does itself, without the functions inside it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield child
            yield from within(child)


def read_at_import(source: str) -> list[int]:
    return [node.lineno for node in at_import(ast.parse(source)) if isinstance(node, ast.Call) and reading(node)]


def read_twice(source: str) -> list[str]:
    functions = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return [
        function.name
        for function in functions
        if any(number > 1 for number in Counter(filter(None, map(reading, within(function)))).values())
    ]


def test_no_module_reads_the_clock_when_it_is_imported() -> None:
    found = [
        f"{name}:{line}"
        for name, text in sources(*PACKAGES, *HARNESSES, "tests").items()
        for line in read_at_import(text)
    ]
    assert found == []


def test_no_function_of_the_product_reads_a_clock_twice() -> None:
    found = {f"{name}:{function}" for name, text in sources(*PACKAGES).items() for function in read_twice(text)}
    assert found == set(TWICE), "read it once and pass the value on, or give the reason"


@pytest.mark.parametrize(
    ("source", "at_import_", "twice"),
    [
        ("NOW = datetime.now(UTC)", True, False),
        ("class A:\n    at = clock.now()", True, False),
        ("@pytest.mark.parametrize('day', [date.today()])\ndef test(day, now=datetime.now(UTC)): ...", True, False),
        ("f = lambda: clock.now()", False, False),
        ("async def f():\n    await g(day(clock.now()), clock.now())", False, True),
        ("def f():\n    return clock.now(), datetime.now(UTC)", False, False),
        ("def f():\n    a = clock.now()\n    def g():\n        return clock.now()", False, False),
    ],
)
def test_a_reading_is_found(source: str, at_import_: bool, twice: bool) -> None:
    assert (bool(read_at_import(source)), bool(read_twice(source))) == (at_import_, twice)


FAST_FROM_NOW = {
    "tests/integration/test_unusable_databases.py": "no quota is counted: the two clocks do not agree",
    "tests/integration/agents/test_janitor_clock.py": "the clock is refused before anything is counted",
}
"""Tests that may run processes by a fast clock which begins now, with the reason why no border matters."""


def test_a_fast_clock_in_a_test_begins_at_a_moment_that_the_test_chose() -> None:
    # one that begins now crosses a midnight within a second of any test that is unlucky enough
    found = sources("tests/integration", "tests/e2e", only=r"[\"' =](?!1x[\"'])[\d.]+x(@[^=\"']*)?[\"']")
    assert found.keys() == FAST_FROM_NOW.keys(), "use tests/support/clock_settings.py, or give the reason"
