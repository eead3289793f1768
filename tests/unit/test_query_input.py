# ruff: noqa: RUF001  the odd characters are what is tested
"""Queries as people write them."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maia.commands.query_input import MOST_SHOWN, read_queries


def wanted(queries: list[str] | None, file: Path | None) -> list[str]:
    found = read_queries(queries, file)
    assert found.bad == []
    return list(found.wanted)


def test_lines_are_queries_each_once_with_single_spaces(tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_text("# mine\nlofi  hip hop\r\n\n   # more\n rust tutorial\t\nLOFI hip hop\nc# basics\n")
    assert wanted(["  Rust   tutorial ", "# no comment", ""], file) == [
        "Rust tutorial", "# no comment", "lofi hip hop", "c# basics",
    ]  # fmt: skip


def test_nothing_given_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("# nothing yet\n\n")
    assert wanted(None, None) == wanted([], tmp_path / "empty") == []


def test_a_mark_at_the_beginning_is_no_part_of_the_first_query(tmp_path: Path) -> None:
    (tmp_path / "queries.txt").write_bytes("\ufeff日本語\ncafé\n".encode())
    assert wanted(None, tmp_path / "queries.txt") == ["日本語", "café"]


def test_a_hyphen_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    # whatever the locale says: a container has none
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("café\n# no\n".encode()), encoding="ascii"))
    assert wanted(None, Path("-")) == ["café"]


def test_bad_lines_are_counted_as_an_editor_does_and_the_others_read(tmp_path: Path) -> None:
    (tmp_path / "queries.txt").write_bytes(b"one\r\n\rtwo\x0ctwo\n" + b"x" * 501 + b"\n\xe2\x80\x8b\nthree")
    found = read_queries(None, tmp_path / "queries.txt")
    assert found.wanted == ["one", "two two", "three"]
    assert [(bad.number, bad.reason) for bad in found.bad] == [
        (4, "has 501 characters; a query may have 500"), (5, "has no visible character"),
    ]  # fmt: skip
    assert found.problems()[0] == f"line 4 has 501 characters; a query may have 500: {'x' * 60}…"


def test_of_many_bad_lines_the_first_are_listed(tmp_path: Path) -> None:
    (tmp_path / "queries.txt").write_text("\u200b\n" * (MOST_SHOWN + 5), encoding="utf-8")
    problems = read_queries(None, tmp_path / "queries.txt").problems()
    assert len(problems) == MOST_SHOWN + 1
    assert problems[-1] == "5 more lines are no queries"


def test_a_query_of_the_command_line_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a query has 501 characters; a query may have 500: xxx.*…$"):
        read_queries(["good", "x" * 501], None)


MIXED = "Fußball\ncafé del mar\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (MIXED.encode("utf-16"), "it is UTF-16, not UTF-8. Convert it: iconv -f UTF-16 -t UTF-8"),
        (b"\xfe\xff" + MIXED.encode("utf-16-be"), "iconv -f UTF-16 -t UTF-8"),
        (MIXED.encode("utf-16-le"), "it is UTF-16, not UTF-8. Convert it: iconv -f UTF-16LE -t UTF-8"),
        (MIXED.encode("utf-16-be"), "iconv -f UTF-16BE -t UTF-8"),
        (MIXED.encode("utf-32"), "iconv -f UTF-32 -t UTF-8"),
        ("привет\nмир\n".encode("utf-16-le"), "iconv -f UTF-16LE -t UTF-8"),
        ("привет\nмир\n".encode("utf-16-be"), "iconv -f UTF-16BE -t UTF-8"),
        (b"good\n" + MIXED.encode("latin-1"), "not UTF-8 (byte 0xDF in line 2), and is probably Latin-1"),
        (MIXED.encode("latin-1"), "iconv -f ISO-8859-1 -t UTF-8"),
        ("it’s\n".encode("cp1252"), "iconv -f WINDOWS-1252 -t UTF-8"),
    ],
)
def test_another_encoding_is_named_and_how_to_convert_it(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "my queries.txt"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(problem)) as refused:
        read_queries(None, file)
    assert str(refused.value).startswith(f"{file} cannot be read: it is ")
    command = str(refused.value).partition("Convert it: ")[2]
    if shutil.which("iconv"):
        subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
        expected = {"good", *MIXED.splitlines(), "it’s", "привет", "мир"}
        assert set(wanted(None, tmp_path / "queries-utf8.txt")) <= expected


def test_the_wrong_byte_is_named_also_after_a_mark(tmp_path: Path) -> None:
    (tmp_path / "queries.txt").write_bytes(b"\xef\xbb\xbfgood\n\xdf\nab\n")
    with pytest.raises(ValueError, match=r"not UTF-8 \(byte 0xDF in line 2\)"):
        read_queries(None, tmp_path / "queries.txt")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere\.txt cannot be read"):
        read_queries(None, tmp_path / "nowhere.txt")


def test_bytes_of_the_command_line_that_are_no_text_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no text in UTF-8: caf\\udce9$"):
        read_queries(["caf\udce9"], None)
