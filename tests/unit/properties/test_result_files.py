"""Result files of any image: missing, damaged or hostile, they change nothing about the verdict and command nothing."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maia.runtime.exitcodes import ExitCode, Outcome
from maia.runtime.result_file import RunResult
from maia.runtime.run_end import run_end
from maia.runtime.shutdown import Shutdown
from maia.workflow.run_report import run_report

from ...support.api_captures import KEY
from ...support.examples import examples
from ...support.json_damage import Damaged, damaged, nested, odd_values, said, written

pytest.importorskip("action", reason="the action is part of the checkout, not of the wheel")

from action import summary
from action.container import Ended, Times
from action.errors import UsageError
from action.needs import Needs
from action.result import DamagedError, Result, figures, parse
from action.runner import Runner
from action.step import judge, numbers, warn_of_damage
from action.text import one_line

from ...support.action_step import commands, result

CODES = (0, 1, 2, 69, 75, 78, 125, 126, 127, 130, 137, 143, 99)
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
HOSTILE = (
    "::set-output name=churned::true", "x\n::stop-commands::tok", "##[add-mask]a", "\x1b]8;;x\x07", "a\r::error::b",
    KEY,
)  # fmt: skip
ODD = odd_values(
    *HOSTILE, *({name: 1} for name in HOSTILE), {"rows": [{"shard": text, "outcome": text} for text in HOSTILE]}
)


# more often than by chance: too deep for any reader
DEEP = ODD | ODD | ODD | ODD | st.just(nested(100_000))


def whole(code: int) -> dict[str, Any]:
    """The result file of a run that ended so."""
    words = {0: "ok", 1: "failure", 2: "failure", 69: "unavailable", 75: "churn", 78: "config", 130: "cancelled"}
    rows = [{"wave": 1, "shard": "0/2", "stats": {"a": 1}}]
    stats = {"searches": 3, "calls": {"search": 3}, "rows": rows, "reason": "r"}
    return result(outcome=words.get(code, "failure"), code=code, error="why", stats=stats)


def read(body: bytes, code: int) -> tuple[Result | None, str | None]:
    """What the step reads, and why it does not use it."""
    try:
        return parse(body, agent="hunter", exit_code=code), None
    except DamagedError as error:
        return None, f"it is damaged: {error}"


def log_and_summary(ended: Ended) -> tuple[str, str]:
    """What the step prints about an end, and what its summary shows."""
    out = io.BytesIO()
    runner = Runner({"GITHUB_ACTIONS": "true"}, out)
    warn_of_damage(ended, runner)
    judgement = judge(ended)
    judgement.annotate(runner, "hunter 0/2")
    runner.line(f"{judgement.detail} {judgement.stats.get('reason')}")
    markdown = summary.shard("hunter", judgement, 1.0, ended.times, "")
    rows = judgement.stats.get("rows")
    if isinstance(rows, list):
        markdown += summary.waves(rows, judgement.stats.get("totals"))
    return out.getvalue().decode(), markdown


def is_plain(text: str) -> bool:
    """Whether a text holds no control character, nothing that turns its direction, and no line end but line feeds."""
    return not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in text if c != "\n")


def check(code: int, found: Result | None, why: str | None) -> None:
    """The verdict is the exit code's; what is printed holds our own annotations and no other command."""
    times = Times.split(1.0, 2.0, found, 3.0)
    bare = judge(Ended(code=code))
    ended = Ended(code=code, result=found, damaged=why, last_line="last words", times=times)
    judged = judge(ended)
    assert (judged.verdict, judged.code, judged.passes) == (bare.verdict, bare.code, bare.passes)
    # only what goes with this exit code may say more than the code does
    assert judged.outcome.exit_code == code or judged.outcome in {bare.outcome, Outcome.CANCELLED}
    log, markdown = log_and_summary(ended)
    names = [name for name, _, _ in commands(log)]
    wanted = (["warning"] if why else []) + ([judged.verdict.level] if judged.verdict.level else [])
    assert names == wanted
    for text in (log, markdown):
        assert is_plain(text)
    given_ = numbers(judged.stats)
    assert re.fullmatch(r'[{}\[\]",:0-9A-Za-z_.+-]*', given_)
    json.loads(given_)


@examples(400)
@given(code=st.sampled_from(CODES), data=st.data())
def test_a_damaged_result_file_changes_nothing_about_the_verdict(code: int, data: st.DataObject) -> None:
    """Missing fields, wrong types, other agents, other codes, hostile words: used as far as it is sound, or not at all.

    Seen to catch: an outcome that is used where it does not go with the exit code; `parse` without RecursionError;
    `figures` that takes any name; a detail that is printed as it came.
    """
    damage: Damaged = data.draw(damaged(whole(code), cut=True, odd=DEEP))
    found, why = read(damage.body, code)
    check(code, found, why)
    if found is not None:
        document = said(damage.body)
        assert (document["agent"], document["exit_code"]) == ("hunter", code)


@examples(400)
@given(stats=st.dictionaries(st.text(max_size=8) | st.sampled_from(("searches", "calls", "1")), ODD, max_size=4))
def test_only_names_and_numbers_become_figures(stats: dict[str, Any]) -> None:
    """Whatever a flow or an image calls stats: names of letters, finite numbers that bigint holds, two levels.

    Seen to catch: `figures` that takes floats as they come; that takes True for 1.
    """
    found = figures(stats)
    text = numbers(stats)
    assert json.loads(text) == found
    for name, value in found.items():
        inner = value if isinstance(value, dict) else {name: value}
        for key, number in inner.items():
            assert re.fullmatch("[A-Za-z_]{1,40}|[0-9]{1,3}", key)
            assert type(number) in {int, float}
            assert abs(number) < 2**63


@examples(300)
@given(
    stats=st.dictionaries(st.text(max_size=5), ODD, max_size=3), error=st.none() | st.text() | st.sampled_from(HOSTILE),
    code=st.sampled_from(list(ExitCode)),
)  # fmt: skip
def test_what_maia_writes_the_action_reads(stats: dict[str, Any], error: str | None, code: ExitCode) -> None:
    """A result file of any run is whole JSON that the action takes, its error one line without a key.

    Seen to catch: `to_json` without its second try; an error that is written as it came.
    """
    outcome = next((outcome for outcome in Outcome if outcome.exit_code == code), Outcome.CANCELLED)
    written_ = RunResult("hunter", "0/2", outcome, code, NOW, NOW + timedelta(seconds=3), stats, error).to_json()
    if outcome.exit_code != code and code not in {130, 143}:
        return
    found = parse(written_, agent="hunter", exit_code=int(code))
    assert found.outcome is outcome
    assert found.error is None or ("\n" not in found.error and KEY not in found.error and len(found.error) <= 1000)


@examples(300)
@given(stats=st.dictionaries(st.sampled_from(("outcome", "error", "topics")), ODD, max_size=3))
def test_whatever_a_flow_returns_has_an_outcome(stats: dict[str, Any]) -> None:
    """An outcome that nobody knows is a failure, with a code of the contract and a line that says so.

    Seen to catch: `Outcome(word)` without its except.
    """
    outcome, code, error = run_end(stats, Shutdown())
    assert outcome.exit_code is code
    assert (error is None) == (code is ExitCode.OK)
    assert error is None or "\n" not in error


@examples(300)
@given(
    rows=st.lists(st.fixed_dictionaries({"stats": st.none() | st.dictionaries(st.text(), ODD, max_size=3)}), max_size=3)
)
def test_the_rows_of_a_run_are_reported_whatever_their_stats_hold(rows: list[dict[str, Any]]) -> None:
    """The table over all shards is made of rows that any image may have written to the database.

    Seen to catch: `figures` that takes any name, so that a column of the table is called as an image pleases.
    """
    row = {
        "wave": 1,
        "shard": "0/1",
        "outcome": "ok",
        "exit_code": 0,
        "started_at": NOW,
        "finished_at": NOW,
        "error": None,
    }
    stats = run_report("hunter", [row | one for one in rows])  # type: ignore[arg-type]
    markdown = summary.waves(stats["rows"], stats["totals"])
    assert is_plain(markdown)
    assert not any(text in markdown for text in HOSTILE)


JOB_ENDS = ("success", "cancelled", "skipped")
JOBS = {
    "plan": {"result": "success", "outputs": {"shards": "[0]"}},
    "shards": {"result": "success", "outputs": {"churned": "+"}},
    "wave-2": {"result": "failure", "outputs": {}},
}


@examples(300)
@given(
    text=st.text()
    | st.just("[" * 100_000)
    | odd_values(*HOSTILE).map(lambda value: written(value).decode())
    | damaged(JOBS, odd=ODD).map(lambda damage: damage.body.decode())
)
def test_the_results_of_jobs_are_read_or_are_a_wrong_input(text: str) -> None:
    """`needs`, as a workflow hands it on: read, or an error of usage; what is not known to be well has failed.

    Seen to catch: a result that is a list, as it was; a job that is no object; `Needs.parse` without RecursionError.
    """
    try:
        needs = Needs.parse(text)
    except UsageError as error:
        assert len(str(error)) < 1000
        return
    for name, job in json.loads(text).items():
        well = isinstance(job.get("result"), str) and job["result"] in JOB_ENDS
        assert (one_line(name, 100) in needs.failed) >= (not well)
