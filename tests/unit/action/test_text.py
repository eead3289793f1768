"""Foreign text is harmless: to the runner, and to the summary's Markdown."""

from __future__ import annotations

import re

import pytest

from action.runner import command
from action.text import escape_workflow_commands, fenced, last_line, one_line, sanitize, span

from ...support.action_step import commands


@pytest.mark.parametrize(
    "text",
    [
        "::error::x", "  ::add-mask::x", "::set-output name=a::b", "video ##[error]x", "##[add-mask]x", "##[group]",
        "::stop-commands::pause", "\t::debug::x", "::::error::x",
    ],
)  # fmt: skip
def test_a_line_of_the_log_is_never_a_command(text: str) -> None:
    assert commands(escape_workflow_commands(one_line(text))) == []
    assert escape_workflow_commands("a std::vector, #1 and [2]") == "a std::vector, #1 and [2]"


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\x1b[31mb", "a\u2028b", "a\u202eb", "a\x00b", "a\x85b"])
def test_a_line_is_one_line_without_control_characters(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) == 1
    assert line.isprintable()


def test_a_line_has_a_limit_and_line_feeds_of_a_text_stay() -> None:
    assert len(one_line("x" * 10**6)) == 1000
    assert one_line("é" * 1000) == "é" * 1000
    assert sanitize("a\nb\rc") == "a\nb c"


def test_the_last_line_is_the_one_before_the_help() -> None:
    assert last_line(b"docker: no such image.\nSee 'docker run --help'.\n\n") == "docker: no such image."
    assert last_line(b"a\nRun 'docker run --help' for more information\n") == "a"
    assert last_line(b"") == ""
    assert last_line(b"caf\xe9\n") == "caf\ufffd"


def test_a_command_is_read_as_it_was_written() -> None:
    line = command("error", "100 %\r\n::warning::x", title="a: b, c%")
    assert line == "::error title=a%3A b%2C c%25::100 %25%0D%0A::warning::x"
    assert commands(line) == [("error", {"title": "a%3A b%2C c%25"}, "100 %25%0D%0A::warning::x")]


@pytest.mark.parametrize("text", ["`", "```", "a ```` b", "```\n# heading\n```", "~~~", "no", "\n\n"])
def test_a_fence_is_longer_than_what_it_holds(text: str) -> None:
    first, *body, last = fenced(text).splitlines()
    fence = first.removesuffix("text")
    assert last == fence
    assert set(fence) == {"`"}
    assert len(fence) >= 3
    assert not any(fence in line for line in body)


@pytest.mark.parametrize(
    "text",
    [
        "www.evil.com", "https://evil.com", "me@evil.com", "@team", "<img src=x>", "[x](http://y)", "**b**", "&lt;",
        "`", "`x` www.evil.com", "``", "a\n\n# b", " ", "", "\\",
    ],
)  # fmt: skip
def test_a_span_of_code_holds_all_of_it(text: str) -> None:
    """In one, Markdown knows nothing but its end."""
    code = span(text)
    assert re.fullmatch(r"`[^`\n]+`", code)
    assert code[1:-1] == (" ".join(text.replace("`", "'").split()) or " ")
