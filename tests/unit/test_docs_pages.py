"""Messages name pages of the documentation by an address, and each of them is there."""

from __future__ import annotations

import ast
import email
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas.docs_pages import DISTRIBUTION, page
from maia import __version__
from maia.cli import app, main

from ..support.documents import CHECKOUT, anchors, needs_documents

SOURCE = "https://github.com/pleiades/maia"


def test_a_page_is_that_of_the_installed_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert page("vault.md") == "docs/vault.md", "without metadata the file is named"
    metadata = tmp_path / f"{DISTRIBUTION.replace('-', '_')}-7.8.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    for urls, expected in (
        ("", "docs/vault.md#records"),
        (
            f"Project-URL: Issues, https://example.org/issues\nProject-URL: Source, {SOURCE}\n",
            f"{SOURCE}/blob/v7.8.9/docs/vault.md#records",
        ),
    ):
        metadata.write_text(f"Metadata-Version: 2.4\nName: {DISTRIBUTION}\nVersion: 7.8.9\n{urls}\nText.\n")
        importlib.invalidate_caches()
        assert page("vault.md#records") == expected


@pytest.mark.parametrize(("words", "read"), [(["hunter", "--help"], False), (["--help"], True)])
def test_a_shard_does_not_read_the_metadata(words: list[str], read: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    monkeypatch.setattr(
        importlib.metadata, "metadata", lambda name: reads.append(name) or email.message_from_string("Version: 1")
    )
    app.cache_clear()
    with pytest.raises(SystemExit, match="0"):
        main(words)
    app.cache_clear()
    assert bool(reads) == read


@needs_documents
def test_the_project_has_the_addresses() -> None:
    urls = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert urls["Source"] == SOURCE
    assert urls["Documentation"].startswith(SOURCE)
    assert (CHECKOUT / urls["Documentation"].rpartition("/")[2]).is_dir()


def texts(path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The strings of a module that a user may see: no docstrings but those of commands, which are their help."""
    helps = {
        id(node.body[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and path.parent.name == "commands" and not node.name.startswith("_")
    }
    skipped = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and id(n) not in helps}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


def modules() -> list[tuple[str, Path, ast.Module]]:
    paths = [path for package in ("atlas", "maia", "action") for path in (CHECKOUT / package).rglob("*.py")]
    return [
        (path.relative_to(CHECKOUT).as_posix(), path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths
    ]


def named(parsed: list[tuple[str, Path, ast.Module]]) -> list[tuple[str, str]]:
    """Each page that a message, or a workflow that users copy, names, and where."""
    found = []
    for where, _, tree in parsed:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "page":
                (argument,) = node.args
                assert isinstance(argument, ast.Constant), f"{where}:{node.lineno}: the test must see which page"
                found.append((where, str(argument.value)))
    others = [*(CHECKOUT / ".github/workflows").glob("*.yml"), CHECKOUT / "action.yml"]
    for path in [*(path for _, path, _ in parsed), *others]:
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(rf"{re.escape(SOURCE)}/(?:blob|tree)/[^/]+/docs/([\w.-]+\.md(?:#[\w-]+)?)", text):
            found.append((path.relative_to(CHECKOUT).as_posix(), match[1]))
    return found


@needs_documents
def test_messages_name_pages_that_are_there_and_no_file_of_the_checkout() -> None:
    parsed = modules()
    foreign = re.compile(r"(?<![\w/])docs/|\b(CHANGELOG|CONTRIBUTING|SECURITY)\.md|pyproject\.toml|Makefile")
    assert [
        f"{where}:{number}: {text}"
        for where, path, tree in parsed
        for number, text in texts(path, tree)
        if foreign.search(text) and where != "atlas/docs_pages.py"
    ] == []
    pages = named(parsed)
    assert len(pages) >= 9
    for where, name in pages:
        file, _, anchor = name.partition("#")
        document = CHECKOUT / "docs" / file
        assert document.is_file(), (where, name)
        assert not anchor or anchor in anchors(document.read_text(encoding="utf-8")), (where, name)


@needs_documents
def test_moving_tags_are_of_this_major_release() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (CHECKOUT / ".github/workflows").glob("*.yml")]
    texts += [(CHECKOUT / name).read_text(encoding="utf-8") for name in ("action/settings.py", "pyproject.toml")]
    tags = {tag for text in texts for tag in re.findall(rf"{re.escape(SOURCE)}/(?:blob|tree)/([^/]+)/", text)}
    assert tags == {f"v{__version__.partition('.')[0]}"}
