"""The result file: one JSON object, complete and without secrets."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from atlas.errors import DatabaseUnavailable
from atlas.redaction import remember_secret
from maia.runtime.exitcodes import Outcome
from maia.runtime.result_file import LONGEST_LINE, RunResult, describe, one_line


def result(**changed) -> RunResult:
    fields = {
        "agent": "hunter",
        "shard": "0/4",
        "outcome": Outcome.OK,
        "exit_code": 0,
        "started_at": datetime(2026, 11, 22, 9, tzinfo=timezone(timedelta(hours=1))),
        "finished_at": datetime(2026, 11, 22, 8, 1, tzinfo=UTC),
        "stats": {"videos": 3},
    }
    return RunResult(**fields | changed)


def test_the_result_file_has_the_keys_of_the_contract(tmp_path):
    path = tmp_path / "new" / "result.json"
    result(outcome=Outcome.CHURN, exit_code=75, error="rate\nlimit").write(path)
    assert json.loads(path.read_text()) == {
        "agent": "hunter",
        "shard": "0/4",
        "outcome": "churn",
        "exit_code": 75,
        "started_at": "2026-11-22T08:00:00.000Z",
        "finished_at": "2026-11-22T08:01:00.000Z",
        "stats": {"videos": 3},
        "error": "rate limit",
    }
    assert [file.name for file in path.parent.iterdir()] == ["result.json"]
    assert path.stat().st_mode & 0o777 == 0o644
    assert "error" not in json.loads(result().to_json())


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    (tmp_path / "r.json").mkdir()
    (tmp_path / "r.json" / "in the way").touch()
    with pytest.raises(OSError, match=r"r\.json"):
        result().write(tmp_path / "r.json")
    assert [file.name for file in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(
    ("stats", "written"),
    [
        ({"when": datetime(2026, 1, 1, tzinfo=UTC), "x": math.nan}, {"when": "2026-01-01T00:00:00+00:00", "x": None}),
        ({1: Outcome.OK, "e": ValueError("x")}, {"1": "ok", "e": "x"}),
        ({"huge": 2**70}, {}),
    ],
)
def test_stats_that_json_does_not_know_do_not_cost_the_outcome(stats, written):
    loaded = json.loads(result(stats=stats).to_json())
    assert loaded["outcome"] == "ok"
    assert loaded["stats"] == written


def test_an_error_line_is_one_line_without_secrets():
    remember_secret("sesame-open")
    line = one_line("a\r\n\tb\x1b[31m \u2028c\ud800 sesame-open postgresql://u:pw@h/db")
    assert "\n" not in line
    assert "\x1b" not in line
    assert "sesame" not in line
    assert "pw" not in line
    line.encode()
    assert len(one_line("x" * 5000)) == LONGEST_LINE


def test_an_exception_without_a_message_is_named_by_its_class():
    assert describe(TimeoutError()) == "TimeoutError"
    assert describe(DatabaseUnavailable("no server")) == "no server"
