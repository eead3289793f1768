"""Times as the options of commands give them, and as everything that a person reads shows them."""

from __future__ import annotations

import ast
import json
import logging
import re
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import typer

from atlas.commands.json_output import echo_json
from atlas.commands.times import moment
from atlas.config import settings
from atlas.times import ahead, iso, time_as_json
from maia.runtime.logs import set_up_logging

from ..support.clock_settings import standing_at
from ..support.documents import CHECKOUT, needs_documents

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def noon() -> Any:
    """The schedule clock, standing nearly still."""
    with settings.override(atlas_clock=standing_at(NOON)):
        yield


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90m", timedelta(minutes=90)), ("24h", timedelta(days=1)), ("7d", timedelta(days=7)),
        (" 2w ", timedelta(days=14)), ("0h", timedelta(0)),
    ],
)  # fmt: skip
def test_a_span_is_so_long_ago_by_the_schedule_clock(noon: None, text: str, ago: timedelta) -> None:
    found = moment(text, "--since")
    assert found is not None
    assert abs(NOON - ago - found) < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:30", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01T08:30:00Z", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01 08:30:00+02:00", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(text: str, expected: datetime) -> None:
    assert moment(text, "--since") == expected


def test_no_time_is_none() -> None:
    assert moment(None, "--since") is None


@pytest.mark.parametrize("text", ["", "soon", "24", "h", "-1h", "1y", "2026-13-01", "9999999w", "1.5h"])
def test_a_wrong_time_is_reported_with_its_option(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="24h, 7d") as caught:
        moment(text, "--until")
    assert caught.value.param_hint == "--until"


# ── as they are shown ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (NOON, "2026-11-22T12:00:00Z"),
        (NOON.astimezone(timezone(timedelta(hours=-8))), "2026-11-22T12:00:00Z"),
        (NOON.replace(microsecond=999_999), "2026-11-22T12:00:00Z"),
        (NOON.replace(year=987), "0987-11-22T12:00:00Z"),
    ],
)
def test_a_time_is_shown_in_utc_with_its_zone(at: datetime, shown: str) -> None:
    assert iso(at) == shown
    assert datetime.fromisoformat(iso(at)) == at.replace(microsecond=0)
    assert iso(at, "minutes") == shown.replace(":00Z", "Z")


@pytest.mark.parametrize(
    ("distance", "shown"),
    [
        (timedelta(hours=5, minutes=30), "(in 5.5 h)"),
        (timedelta(minutes=2), "(in 0.0 h)"),
        (timedelta(0), "(in 0.0 h)"),
        (timedelta(hours=-1), "(in 0.0 h)"),
        (timedelta(days=2), "(in 48.0 h)"),
    ],
)
def test_a_time_that_is_waited_for_is_shown_with_its_distance(distance: timedelta, shown: str) -> None:
    assert ahead(NOON, NOON - distance) == f"2026-11-22T12:00:00Z {shown}"


class _Terminal:
    """Standard error as a terminal."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("way", ["lines", "json", "terminal"])
def test_each_line_of_a_log_has_its_time_in_utc(
    way: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TZ", "Pacific/Chatham")
    monkeypatch.setenv("COLUMNS", "120")
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    terminal = _Terminal()
    if way == "terminal":
        monkeypatch.setattr(sys, "stderr", terminal)
    try:
        set_up_logging(json=way == "json")
        record = logging.LogRecord("maia", logging.INFO, __file__, 1, "a line", None, None)
        record.created = NOON.timestamp()
        root.handle(record)
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    text = terminal.text or capsys.readouterr().err
    shown = json.loads(text)["time"] if way == "json" else re.sub(r"\x1b\[[\d;]*m", "", text).split()[0]
    assert shown == "2026-11-22T12:00:00Z"


OWN_FORMATS = {
    "atlas/times.py": "the one way",
    "atlas/schedule_clock.py": "ATLAS_CLOCK, to the microsecond",
    "atlas/snapshots/partitions.py": "names of partitions",
    "atlas/vault/layout.py": "names of files, days, and a column that sorts",
    "atlas/vault/records.py": "days",
    "atlas/operations/verify.py": "a text that sorts",
    "maia/runtime/early_result.py": "the result file, while nothing else can be imported",
    "youtube_sandbox/admin.py": "for programs",
    "youtube_sandbox/quota.py": "days, for programs",
    "youtube_sandbox/replay.py": "for programs",
    "youtube_sandbox/server.py": "for programs",
    "youtube_sandbox/world.py": "for programs",
    "demo/scene.py": "the demo's own file",
}


def _formats_a_time(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in {"strftime", "isoformat", "ctime", "asctime"}
    if isinstance(node, ast.keyword):
        return node.arg in {"datefmt", "time_format"}
    if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
        return re.search(r"%[A-Za-z]", ast.unparse(node.format_spec)) is not None
    return False


@needs_documents
def test_nothing_else_formats_a_time() -> None:
    found = {
        path.relative_to(CHECKOUT).as_posix()
        for package in ("atlas", "maia", "youtube_sandbox", "action", "demo")
        for path in (CHECKOUT / package).rglob("*.py")
        if any(map(_formats_a_time, ast.walk(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert found == set(OWN_FORMATS)


@pytest.mark.parametrize(
    "at", [NOON, NOON + timedelta(microseconds=120_000), NOON.astimezone(timezone(timedelta(hours=5)))]
)
def test_a_time_in_json_always_has_microseconds(at: datetime, capsys: pytest.CaptureFixture[str]) -> None:
    echo_json({"at": at})
    written = json.loads(capsys.readouterr().out)["at"]
    assert datetime.strptime(written, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC) == at


def test_json_takes_nothing_else_that_it_has_no_form_for() -> None:
    with pytest.raises(TypeError, match="set is not JSON"):
        time_as_json(set())
