"""Titles, tags, queries and errors that were written to steer what shows them: they are shown, and steer nothing."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import unicodedata
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from rich.console import Console, Group

from atlas import notifier
from atlas.adapters.events import Event
from atlas.adapters.growth import Kind, Riser
from atlas.adapters.keys import BucketReport, KeyDAO, KeyReport
from atlas.adapters.queue import QueueDAO
from atlas.commands import events as events_command
from atlas.commands.running import run as run_atlas
from atlas.config import settings
from atlas.errors import ConfigError
from atlas.event_types import EventType
from atlas.notifier.templates import event_message, render
from atlas.quota.buckets import Bucket
from atlas.sanitize import escape_mentions, escape_workflow_commands, sanitize
from maia.commands import keys as keys_command
from maia.commands import queue as queue_command
from maia.commands.riser_text import riser_lines
from maia.runtime.logs import _CHATTY, set_up_logging
from maia.runtime.result_file import one_line

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SET_OUTPUT = "::set-output name=shards::[9]"
HOSTILE = {
    "a command": SET_OUTPUT,
    "a command that stops commands": "::stop-commands::pause",
    "a mask": "  ::add-mask::videos",
    "a command of the old form": "cats ##[add-mask]videos",
    "a command in a line of its own": f"cats\n{SET_OUTPUT}\r\n\t::error::dogs\r::warning::x",
    "a line of a log": "cats\n12:00:00 INFO     maia.hunter: all is well",
    "other ends of lines": f"a\u2028{SET_OUTPUT}\u2029{SET_OUTPUT}\x0b{SET_OUTPUT}\x0c{SET_OUTPUT}\x85{SET_OUTPUT}",
    "colours": "\x1b[31mred\x1b[0m \x1b[2J\x1b[1;1H\x9b31m",
    "a title of the window": "\x1b]0;owned\x07 \x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "a carriage return and backspaces": "all is well\rcats\x08\x08\x08\x08dogs",
    "turned around": "\u202egnp.exe\u202c \u2066x\u2069 \u200fabc\u200e \u061c",
    "nothing to be seen": "a\ufeffb\x00c\x7f",
    "half an emoji": "cats \ud83d",
    "HTML": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "Markdown": "# h\n| a | b |\n|---|---|\n```\n[click](http://evil.example) ![x](http://evil.example/x) `x`",
    "markup of the terminal": "[bold red]cats[/] [link=http://evil.example]click[/link] [/nothing] \\[x]",
    "a call to all": "@everyone @here <!channel> <@U123> [click](http://evil.example)",
    "a format": "%s %d {0} {x!r} $HOME `id` $(id)",
}  # fmt: skip
OBEYED = re.compile(r"^\s*::|##\[", re.MULTILINE)
"""What GitHub's runner takes for a command."""
TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def steers(text: str, *, lines: int = 1) -> bool:
    """Whether a text has anything that a terminal, a reader or the runner obeys, or more lines than it may have."""
    body = text.removesuffix("\n")
    obeyed = [
        c
        for c in body
        if (c != "\n" and unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"})
        or unicodedata.bidirectional(c) in TURNS
        or c in "\u200e\u200f\u061c\ufeff"
    ]
    return bool(obeyed or OBEYED.search(body) or body.count("\n") >= lines)


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE.keys())
def hostile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_each_of_them_would_steer_something() -> None:
    harmless = {"HTML", "markup of the terminal", "a call to all", "a format"}
    assert {name for name, text in HOSTILE.items() if not steers(text)} == harmless


def test_sanitized_text_steers_nothing_and_keeps_its_words(hostile: str) -> None:
    text = escape_workflow_commands(sanitize(hostile))
    assert not steers(text)
    assert [word for word in re.findall(r"[a-z]{4,}", hostile) if word not in text] == []
    assert not steers(one_line(hostile)), "of a result file"


@pytest.mark.parametrize(
    "text",
    [
        "Ελλάδα · 日本語 · עברית · العربية", "👩‍👩‍👧‍👦 🏴‍☠️ e\u0301", "می‌خواهم", "a::b std::vector ::1 ## [x] 50 % #1",
        "\u00a0nbsp",
    ],
)  # fmt: skip
def test_text_of_people_is_left_alone(text: str) -> None:
    assert escape_workflow_commands(sanitize(text)) == text


@pytest.mark.parametrize("text", ["someone@example.org", "a @ b", "[1] (2)", "a < b", "x <3 y"])
def test_a_text_without_mentions_stays_readable(text: str) -> None:
    assert escape_mentions(text).replace("\u200b", "") == text
    assert escape_mentions(text.replace("@e", "e")) == text.replace("@e", "e")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has a process log as it does; gives what it wrote."""
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in (*_CHATTY, "maia", "atlas")}
    before = root.handlers[:], root.level

    def write(text: str, *, error: BaseException | None = None, terminal: bool = False, json: bool = False) -> str:
        stream = io.StringIO()
        stream.isatty = lambda: terminal  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("COLUMNS", "4000")
        monkeypatch.setenv("TERM", "dumb" if terminal else "xterm")
        set_up_logging(json=json)
        logging.getLogger("maia.hunter").warning("'%s' is skipped", text, exc_info=error)
        return stream.getvalue()

    yield write
    root.handlers[:], root.level = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize("way", ["plain", "terminal", "traceback"])
def test_a_log_line_is_no_command_and_no_other_line(hostile: str, log: Any, way: str) -> None:
    error = RuntimeError(hostile) if way == "traceback" else None
    written = log(hostile, error=error, terminal=way == "terminal")
    assert not steers(written, lines=100)
    first, *others = written.rstrip("\n").split("\n")
    assert "WARNING" in first
    assert all(line.startswith("    ") or not line for line in others), "none of them begins like a line of the log"
    assert ("RuntimeError" in written) == (way == "traceback")


def test_a_json_line_is_one_line_with_the_text_in_it(hostile: str, log: Any) -> None:
    written = log(hostile, json=True)
    assert not steers(written)
    assert json.loads(written)["message"] == f"'{hostile}' is skipped"


def test_the_error_that_ends_a_command_is_one_line(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def fail() -> None:
        raise ConfigError(f"{hostile} is no setting")

    with pytest.raises(typer.Exit):
        run_atlas(fail())
    assert not steers(capsys.readouterr().err)


async def test_a_notification_is_text_without_mentions(hostile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, str]] = []
    gap = {
        "query_term": hostile, "reason": "page token older than 12 h", "published_after": NOW, "published_before": NOW,
        "pages_read": 1,
    }  # fmt: skip
    text = event_message(EventType.SEARCH_GAP, [(*render(EventType.SEARCH_GAP, gap), 0)])
    monkeypatch.setattr(notifier, "_deliver", lambda _, text, __: sent.append((text.title, text.body)) or "")
    monkeypatch.setenv("NOTIFY_URLS", "json://127.0.0.1")
    settings.reload()
    assert await notifier.notify(text.title, f"{text.body}\n{hostile}")
    ((title, body),) = sent
    assert not steers(title.replace("##[", ""))
    for text in (title, body):
        assert not re.search(r"@\w|\]\(|<[!@#]", text)
        assert not any(c for c in text if c not in "\n\t" and steers(f"a{c}"))


def drawn(table: Any) -> str:
    console = Console(file=io.StringIO(), width=400, force_terminal=True, color_system=None, highlight=False)
    console.print(table)
    shown: str = console.file.getvalue()  # type: ignore[attr-defined]
    return shown


def check_table(shown: str, hostile: str) -> None:
    assert not steers(shown, lines=100)
    if "[bold red]" in hostile:
        assert "[bold red]cats[/]" in shown


def test_a_table_of_events_shows_text(hostile: str) -> None:
    event = Event(1, NOW, "search_gap", None, "hunter", "0/1", {"query_term": hostile, "reason": hostile})
    check_table(drawn(events_command._table([event])), hostile)


def test_the_fastest_videos_show_text(hostile: str) -> None:
    riser = Riser(
        "v", hostile, "c", hostile, Kind.VIDEO, 1, NOW, NOW, 2, 1.0, *[None] * 4, NOW, None, None,
        category_id=None, duration=None, first_seen_at=NOW, found_by=hostile,
    )  # fmt: skip
    check_table(drawn(Group(*riser_lines(riser, 1, [], NOW, width=120))), hostile)


def answering(answer: Any) -> Any:
    async def answer_(*_: object) -> Any:
        return answer

    return answer_


def test_the_table_of_keys_shows_text(
    hostile: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = BucketReport(Bucket.SEARCH, 1, 1, 100, 100, NOW, hostile)
    monkeypatch.setattr(KeyDAO, "report", answering([KeyReport(("0123456789ab",), ("hunting",), hostile, (bucket,))]))
    monkeypatch.setattr(keys_command.database, "open", answering(None))
    monkeypatch.setenv("COLUMNS", "900")
    with settings.override(youtube_api_key_pool_json='{"hunting": ["KEY"]}'):
        keys_command.keys(SimpleNamespace(invoked_subcommand=None))  # type: ignore[arg-type]
    assert not steers(capsys.readouterr().out, lines=100)


def test_the_list_of_queries_shows_text(
    hostile: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {
        "query_term": "x", "display_term": hostile, "priority": 1, "leased": True, "leased_by": hostile,
        "status": "active", "source": "tag", "mentions": 1, "last_searched_at": None, "due_at": None, "searches": 0,
        "results": 0,
    }  # fmt: skip
    monkeypatch.setattr(QueueDAO, "list", answering([row]))
    monkeypatch.setattr(queue_command.database, "open", answering(None))
    monkeypatch.setenv("COLUMNS", "400")
    queue_command.list_()
    check_table(capsys.readouterr().out, hostile)
