"""`--help` of every command, at several widths of the terminal: lists, examples and addresses keep their lines."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import atlas.cli
import maia.cli


def commands(command: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The command and all below it, with their words."""
    yield names, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, *names, name)


EVERY = {
    " ".join(names): command
    for name, app in (("maia", maia.cli.app()), ("atlas", atlas.cli.app))
    for names, command in commands(typer.main.get_command(app), name)
}


def lists(command: Any) -> Iterator[list[str]]:
    """The paragraphs of its texts in which a line is indented, has columns, or holds an address."""
    for text in (command.help, command.epilog):
        for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text or "")):
            lines = [line for line in paragraph.splitlines() if line != "\b"]
            if re.search(r"^  |\S  +\S|docs/", "\n".join(lines), re.MULTILINE):
                yield lines


def test_there_is_something_to_look_at() -> None:
    assert len(EVERY) >= 20
    assert sum(len(list(lists(command))) for command in EVERY.values()) >= 25
    assert len(list(lists(EVERY["maia sandbox"]))) >= 4


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", EVERY)
def test_lists_keep_their_lines(name: str, width: int) -> None:
    command = EVERY[name]
    context = command.make_context(name, [], resilient_parsing=True, terminal_width=width, max_content_width=width)
    shown = command.get_help(context).splitlines()
    for lines in lists(command):
        wanted = [f"  {line}".rstrip() for line in lines]
        places = [number for number, line in enumerate(shown) if line.rstrip() == wanted[0]]
        assert any([line.rstrip() for line in shown[at : at + len(wanted)]] == wanted for at in places), wanted


@pytest.mark.parametrize(
    "line",
    [
        "top --limit N", "top --min-views N", "show dQw4w9WgXcQ --limit N", "query fastest --limit N", "runs --limit N",
        "watch --limit N", "watch --interval Nh", "status --max-age Nh", "queue list --limit N", "report --limit N",
        "report --days N", "plan hunter --max-shards N",
    ],
)  # fmt: skip
def test_a_number_too_large_for_postgresql_is_a_usage_error(line: str) -> None:
    done = CliRunner().invoke(maia.cli.app(), line.replace("N", "9" * 20).split())
    assert done.exit_code == 2
    assert f"{re.findall('--[a-z-]+', line)[0]}" in done.stderr
