"""Messages name pages of the documentation by an address, and each of them is there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas.docs_pages import DISTRIBUTION, page
from maia import __version__

from ..support.documents import CHECKOUT, anchors, needs_documents

SOURCE = "https://github.com/pleiades/maia"


def install(folder: Path, *urls: str) -> None:
    """Write the metadata of an installed distribution."""
    metadata = folder / f"{DISTRIBUTION.replace('-', '_')}-7.8.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {DISTRIBUTION}",
        "Version: 7.8.9",
        *(f"Project-URL: {url}" for url in urls),
    ]
    metadata.write_text("\n".join(lines) + "\n\nText.\n", encoding="utf-8")


def test_a_page_is_that_of_the_installed_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "Issues, https://example.org/issues", f"Source, {SOURCE}")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert page("vault.md#records") == f"{SOURCE}/blob/v7.8.9/docs/vault.md#records"


def test_without_metadata_or_address_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert page("vault.md") == "docs/vault.md"
    install(tmp_path)
    assert page("vault.md") == "docs/vault.md"


def test_a_shard_does_not_read_the_metadata() -> None:
    code = (
        "import importlib.metadata as m, sys\n"
        "from maia.cli import main\n"
        "m.metadata = lambda _: sys.exit(9)\n"
        "main(sys.argv[1:])"
    )
    ends = [
        subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=False).returncode
        for words in (("hunter", "--help"), ("--help",))
    ]
    assert ends == [0, 9]


@needs_documents
def test_the_project_has_the_addresses() -> None:
    urls = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert urls["Source"] == SOURCE
    assert urls["Documentation"].startswith(SOURCE)
    assert (CHECKOUT / urls["Documentation"].rpartition("/")[2]).is_dir()


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module that a user may see: no docstrings but those of commands, which are their help."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    helps = {
        id(node.body[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and path.parent.name == "commands" and not node.name.startswith("_")
    }
    skipped = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and id(n) not in helps}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


def modules() -> list[Path]:
    return [path for package in ("atlas", "maia", "action") for path in (CHECKOUT / package).rglob("*.py")]


@needs_documents
def test_no_message_names_a_file_of_the_checkout() -> None:
    found = [
        f"{path.relative_to(CHECKOUT)}:{number}: {text}"
        for path in modules()
        for number, text in texts(path)
        if re.search(r"(?<![\w/])docs/|\b(CHANGELOG|CONTRIBUTING|SECURITY)\.md|pyproject\.toml|Makefile", text)
        and path.relative_to(CHECKOUT).as_posix() != "atlas/docs_pages.py"
    ]
    assert found == []


def named() -> list[tuple[str, str]]:
    """Each page that a message, or a workflow that users copy, names, and where."""
    found = []
    for path in modules():
        where = path.relative_to(CHECKOUT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "page":
                (argument,) = node.args
                assert isinstance(argument, ast.Constant), f"{where}:{node.lineno}: the test must see which page"
                found.append((where, str(argument.value)))
    for path in [*modules(), *(CHECKOUT / ".github/workflows").glob("*.yml"), CHECKOUT / "action.yml"]:
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(rf"{re.escape(SOURCE)}/(?:blob|tree)/[^/]+/docs/([\w.-]+\.md(?:#[\w-]+)?)", text):
            found.append((path.relative_to(CHECKOUT).as_posix(), match[1]))
    return found


@needs_documents
def test_moving_tags_are_of_this_major_release() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (CHECKOUT / ".github/workflows").glob("*.yml")]
    texts += [(CHECKOUT / name).read_text(encoding="utf-8") for name in ("action/settings.py", "pyproject.toml")]
    tags = {tag for text in texts for tag in re.findall(rf"{re.escape(SOURCE)}/(?:blob|tree)/([^/]+)/", text)}
    assert tags == {f"v{__version__.partition('.')[0]}"}


@needs_documents
def test_each_page_and_heading_that_is_named_is_there() -> None:
    assert len(named()) >= 9
    for where, name in named():
        file, _, anchor = name.partition("#")
        document = CHECKOUT / "docs" / file
        assert document.is_file(), (where, name)
        if anchor:
            assert anchor in anchors(document.read_text(encoding="utf-8")), (where, name)
