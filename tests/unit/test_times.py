"""Times as the options of commands give them, and as everything that a person reads shows them."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
import typer

from atlas.commands.json_output import echo_json
from atlas.commands.times import moment
from atlas.config import settings
from atlas.times import ahead, iso, local, time_as_json
from maia.runtime.logs import set_up_logging

from ..support.clock_settings import standing_at
from ..support.documents import CHECKOUT, needs_documents

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", NOON - 1.5 * HOUR), ("24h", NOON - 24 * HOUR), ("7d", NOON - timedelta(days=7)),
        (" 2w ", NOON - timedelta(days=14)), ("0h", NOON), ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:30", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01T08:30:00Z", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01 08:30:00+02:00", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_an_option_is_a_span_ago_by_the_schedule_clock_or_a_time_in_utc(text: str, expected: datetime) -> None:
    with settings.override(atlas_clock=standing_at(NOON)):
        found = moment(text, "--since")
    assert found is not None
    assert abs(found - expected) < timedelta(seconds=1)
    assert moment(None, "--since") is None


@pytest.mark.parametrize("text", ["", "soon", "24", "h", "-1h", "1y", "2026-13-01", "9999999w", "1.5h"])
def test_a_wrong_time_is_reported_with_its_option(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="24h, 7d") as caught:
        moment(text, "--until")
    assert caught.value.param_hint == "--until"


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (NOON, "2026-11-22T12:00:00Z"),
        (NOON.astimezone(timezone(-8 * HOUR)), "2026-11-22T12:00:00Z"),
        (NOON.replace(microsecond=999_999), "2026-11-22T12:00:00Z"),
        (NOON.replace(year=987), "0987-11-22T12:00:00Z"),
    ],
)
def test_a_time_is_shown_in_utc_with_its_zone(at: datetime, shown: str) -> None:
    assert iso(at) == shown
    assert iso(at, "minutes") == shown.replace(":00Z", "Z")


@pytest.mark.parametrize(
    ("zone", "at", "shown"),
    [
        ("UTC", NOON, "2026-11-22T12:00Z"),
        ("Etc/GMT", NOON, "2026-11-22T12:00Z"),
        ("Europe/London", NOON.replace(month=7), "2026-07-22T13:00+01:00"),
        ("Europe/London", NOON, "2026-11-22T12:00Z"),
        ("Pacific/Chatham", NOON.astimezone(timezone(-8 * HOUR)), "2026-11-23T01:45+13:45"),
        ("America/St_Johns", NOON.replace(second=59), "2026-11-22T08:30-03:30"),
    ],
)
def test_people_read_a_time_in_their_zone_with_its_offset(zone: str, at: datetime, shown: str) -> None:
    with settings.override(display_time_zone=zone):
        assert local(at) == shown


@pytest.mark.parametrize(
    ("distance", "shown"),
    [(5.5 * HOUR, "5.5"), (HOUR / 30, "0.0"), (0 * HOUR, "0.0"), (-HOUR, "0.0"), (48 * HOUR, "48.0")],
)
def test_a_time_that_is_waited_for_is_shown_with_its_distance(distance: timedelta, shown: str) -> None:
    assert ahead(NOON, NOON - distance) == f"2026-11-22T12:00:00Z (in {shown} h)"


@pytest.mark.parametrize("way", ["lines", "json", "terminal"])
def test_each_line_of_a_log_has_its_time_in_utc(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Chatham")
    monkeypatch.setenv("COLUMNS", "120")
    stream = io.StringIO()
    stream.isatty = lambda: way == "terminal"  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        set_up_logging(json=way == "json")
        record = logging.LogRecord("maia", logging.INFO, __file__, 1, "a line", None, None)
        record.created = NOON.timestamp()
        root.handle(record)
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    text = stream.getvalue()
    shown = json.loads(text)["time"] if way == "json" else re.sub(r"\x1b\[[\d;]*m", "", text).split()[0]
    assert shown == "2026-11-22T12:00:00Z"


OWN_FORMATS = {
    "atlas/times.py": "the one way",
    "atlas/schedule_clock.py": "ATLAS_CLOCK, to the microsecond",
    "atlas/snapshots/partitions.py": "names of partitions",
    "atlas/vault/layout.py": "names of files, days, and a column that sorts",
    "atlas/vault/records.py": "days",
    "atlas/operations/verify.py": "a text that sorts",
    "action/commands/check.py": "the action imports nothing of atlas",
    "maia/runtime/early_result.py": "the result file, while nothing else can be imported",
    "youtube_sandbox/serving.py": "for programs",
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


@pytest.mark.parametrize("at", [NOON, NOON + timedelta(microseconds=120_000), NOON.astimezone(timezone(5 * HOUR))])
def test_a_time_in_json_always_has_microseconds(at: datetime, capsys: pytest.CaptureFixture[str]) -> None:
    echo_json({"at": at})
    written = json.loads(capsys.readouterr().out)["at"]
    assert datetime.strptime(written, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC) == at
    with pytest.raises(TypeError, match="set is not JSON"):
        time_as_json(set())
