"""How far long work is, on standard error."""

from __future__ import annotations

import io

import pytest

from atlas.commands.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_one_line_that_is_wiped_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    with Progress() as progress:
        for done in range(3, 1_000):  # the others come too soon
            progress("reading 2026-11-20", done, 1_000)
    assert terminal.getvalue() == "\rreading 2026-11-20: 3 of 1,000\x1b[K\r\x1b[K"


def test_elsewhere_short_work_prints_nothing_and_long_work_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with Progress() as progress:
        progress("rows", 1, 0)
        assert log.getvalue() == ""
        now[0] += 20
        progress("rows", 50_000, 0)
    assert log.getvalue() == "rows: 50,000\n"
