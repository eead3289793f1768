"""Queries as people write them."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from maia.queries import read_queries


def test_lines_are_queries_each_once_with_single_spaces(tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_text("# mine\nlofi  hip hop\r\n\n   # more\n rust tutorial\t\nlofi hip hop\nc# basics\n")
    assert read_queries(["  rust   tutorial ", "# no comment", ""], file) == [
        "rust tutorial", "# no comment", "lofi hip hop", "c# basics",
    ]  # fmt: skip


def test_nothing_given_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("# nothing yet\n\n")
    assert read_queries(None, None) == read_queries([], tmp_path / "empty") == []


def test_a_mark_at_the_beginning_is_no_part_of_the_first_query(tmp_path: Path) -> None:
    (tmp_path / "queries.txt").write_bytes("\ufeff日本語\ncafé\n".encode())
    assert read_queries(None, tmp_path / "queries.txt") == ["日本語", "café"]


def test_a_hyphen_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    # whatever the locale says: a container has none
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("café\n# no\n".encode()), encoding="ascii"))
    assert read_queries(None, Path("-")) == ["café"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"good\n" + b"x" * 101, "a query has more than 100 characters: xxx"),
        (b"good\ncaf\xe9\n", "queries.txt cannot be read: "),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "queries.txt").write_bytes(content)
    with pytest.raises(ValueError, match=problem):
        read_queries(None, tmp_path / "queries.txt")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere\.txt cannot be read"):
        read_queries(None, tmp_path / "nowhere.txt")


def test_bytes_of_the_command_line_that_are_no_text_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no text in UTF-8: 'caf\\udce9'"):
        read_queries(["caf\udce9"], None)
