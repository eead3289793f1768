"""Stopping in good order, and the verdict over a run."""

import asyncio
import json
import math
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest

from atlas.errors import DatabaseUnavailable, EmptyKeyRing
from atlas.redaction import remember_secret
from maia.resilience import (
    NOT_STARTED,
    CancelledExit,
    ChurnExit,
    Run,
    Stop,
    Unfinished,
    current_stop,
    handle_signals,
    record_stats,
    run_bounded,
    run_scope,
    verdict,
)
from maia.runtime import shutdown as stop_module
from maia.runtime.exitcodes import EXIT_CODES, ExitCode, Outcome, entry
from maia.runtime.result_file import LONGEST_LINE, RunResult, describe, one_line

from ..support.ignored_signals import ignoring


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_module, "GRACE_SECONDS", 0.05)


# --- the table


def test_every_exit_code_has_one_row_that_says_when_and_what_to_do():
    assert [row.code for row in EXIT_CODES] == list(ExitCode)
    assert all(row.name and row.when and row.action for row in EXIT_CODES)
    assert entry(75) is not None
    assert entry(3) is None


def test_every_outcome_has_an_exit_code_of_the_table():
    assert {outcome.exit_code for outcome in Outcome} <= set(ExitCode)


def test_churn_and_cancel_are_system_exits_with_their_codes():
    assert isinstance(ChurnExit("x"), SystemExit)
    assert ChurnExit("too fast").code == 75
    assert ChurnExit("too fast").reason == str(ChurnExit("too fast")) == "too fast"
    assert CancelledExit(signal.SIGINT).code == 130
    assert CancelledExit(signal.SIGTERM).code == 143
    assert "SIGTERM" in CancelledExit(signal.SIGTERM).reason


# --- Stop


def test_the_first_reason_holds():
    stop = Stop()
    stop.churn("first")
    stop.churn("second")
    with pytest.raises(ChurnExit, match="first"):
        stop.raise_if_requested()


def test_a_signal_overrides_a_churn_and_not_the_other_way_round():
    stop = Stop()
    stop.churn("rate limit")
    stop.cancel(signal.SIGTERM)
    stop.churn("again")
    with pytest.raises(CancelledExit):
        stop.raise_if_requested()


def test_nothing_is_raised_while_nothing_was_asked_for():
    stop = Stop()
    stop.raise_if_requested()
    assert not stop.requested
    assert stop.reason is None
    assert stop.grace_left is None


@pytest.mark.parametrize(("seconds", "left"), [(100.0, 3.0), (1.0, 1.0)])
def test_after_a_signal_nothing_may_take_longer_than_what_is_left_of_the_grace(
    monkeypatch: pytest.MonkeyPatch, seconds: float, left: float
):
    stop = Stop()
    assert stop.within_grace(seconds) == seconds
    stop.churn("too fast")
    assert stop.within_grace(seconds) == seconds
    monkeypatch.setattr(stop_module, "GRACE_SECONDS", 3.0)
    monkeypatch.setattr(stop_module.time, "monotonic", lambda: 1000.0)
    stop.cancel(signal.SIGTERM)
    assert stop.within_grace(seconds) == left


async def test_wait_sleeps_its_time_when_nothing_happens():
    assert await Stop().wait(0.01) is False


async def test_wait_ends_early_when_the_end_is_asked_for():
    stop = Stop()
    waiting = asyncio.create_task(stop.wait(60))
    await asyncio.sleep(0)
    stop.churn("rate limit")
    assert await asyncio.wait_for(waiting, 5) is True
    assert await stop.wait(60) is True  # and at once from then on


async def test_wait_is_woken_from_another_thread():
    stop = Stop()
    waiting = asyncio.create_task(stop.wait(60))
    await asyncio.sleep(0)
    await asyncio.to_thread(stop.cancel, signal.SIGTERM)
    assert await asyncio.wait_for(waiting, 5) is True


async def test_a_churn_does_not_wake_those_who_wait_for_a_signal():
    stop = Stop()
    waiting = asyncio.create_task(stop.wait_cancelled())
    await asyncio.sleep(0)
    stop.churn("rate limit")
    assert await stop.wait() is True
    await asyncio.sleep(0)
    assert not waiting.done()
    stop.cancel(signal.SIGINT)
    await asyncio.wait_for(waiting, 5)


def test_a_loop_that_was_closed_does_not_disturb_the_stop():
    stop = Stop()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(stop.wait())
    loop.run_until_complete(asyncio.sleep(0))
    waiter = next(iter(stop._waiters))
    waiting.cancel()
    loop.run_until_complete(asyncio.gather(waiting, return_exceptions=True))
    loop.close()
    stop._waiters.add(waiter)
    stop.churn("rate limit")
    assert stop.requested


# --- the current run


def test_outside_a_run_there_is_a_fresh_stop_and_nothing_is_recorded():
    record_stats({"n": 1})
    current_stop().churn("nobody hears it")
    assert not current_stop().requested


async def test_all_tasks_of_a_run_share_its_stop():
    async def ask() -> Stop:
        return current_stop()

    with run_scope() as run:
        assert await asyncio.create_task(ask()) is run.stop
        with run_scope() as inner:
            assert inner is run
    assert current_stop() is not run.stop


def test_recorded_stats_add_up():
    with run_scope() as run:
        record_stats({"videos": 2, "by_bucket": {"search": 1}, "outcome": "ok", "full": False})
        record_stats({"videos": 3, "by_bucket": {"search": 1, "units": 4}, "outcome": "idle", "full": True})
    assert run.stats == {"videos": 5, "by_bucket": {"search": 2, "units": 4}, "outcome": "idle", "full": True}


# --- run_bounded


async def test_results_and_exceptions_come_in_the_order_of_the_items():
    async def worker(item: int) -> int:
        await asyncio.sleep(0.001 * (3 - item))
        if item == 1:
            raise ValueError("one")
        return item * 10

    results = await run_bounded([0, 1, 2], worker, limit=3, stop=Stop())
    assert results[0] == 0
    assert isinstance(results[1], ValueError)
    assert results[2] == 20


async def test_no_more_than_the_limit_run_at_once():
    running, most = 0, 0

    async def worker(_: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await run_bounded(range(20), worker, limit=3, stop=Stop())
    assert most == 3


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_limit_below_one_is_refused(limit: int):
    with pytest.raises(ValueError, match="limit"):
        await run_bounded([1], asyncio.sleep, limit=limit, stop=Stop())


async def test_nothing_to_do_is_done_at_once():
    assert await run_bounded([], asyncio.sleep, limit=3, stop=Stop()) == []


@pytest.mark.parametrize(
    "leaving", [ChurnExit("rate limit"), BaseExceptionGroup("nested", [ValueError("x"), ChurnExit("rate limit")])]
)
async def test_a_churn_lets_siblings_finish_and_starts_nothing_new(leaving: BaseException):
    stop, sibling_started = Stop(), asyncio.Event()

    async def worker(item: int) -> int:
        if item == 0:
            await sibling_started.wait()
            raise leaving
        sibling_started.set()
        await stop.wait()
        await asyncio.sleep(0.01)  # its write goes on after the churn
        return item

    results = await run_bounded([0, 1, 2, 3], worker, limit=2, stop=stop)
    assert results == [Unfinished.LEFT, 1, NOT_STARTED, NOT_STARTED]
    with pytest.raises(ChurnExit, match="rate limit"):
        stop.raise_if_requested()


async def test_any_system_exit_ends_the_run_with_its_own_code():
    stop = Stop()

    async def worker(_: int) -> None:
        raise SystemExit(3)

    assert await run_bounded([0, 1], worker, limit=1, stop=stop) == [Unfinished.LEFT, NOT_STARTED]
    with pytest.raises(SystemExit) as caught:
        stop.raise_if_requested()
    assert caught.value.code == 3


async def test_nothing_starts_when_the_end_was_asked_for_before():
    stop = Stop()
    stop.churn("rate limit")
    assert await run_bounded([1, 2], asyncio.sleep, limit=2, stop=stop) == [NOT_STARTED, NOT_STARTED]


async def test_work_in_flight_finishes_within_the_grace_of_a_signal():
    stop, started = Stop(), asyncio.Event()

    async def worker(item: int) -> int:
        started.set()
        await stop.wait()
        return item

    running = asyncio.create_task(run_bounded([7, 8], worker, limit=1, stop=stop))
    await started.wait()
    stop.cancel(signal.SIGTERM)
    assert await asyncio.wait_for(running, 5) == [7, NOT_STARTED]


async def test_work_in_flight_is_cut_off_after_the_grace_and_may_clean_up(short_grace: None):
    stop, started, cleaned = Stop(), asyncio.Event(), []

    async def worker(item: int) -> int:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(item)
        return item

    running = asyncio.create_task(run_bounded([7, 8], worker, limit=1, stop=stop))
    await started.wait()
    stop.cancel(signal.SIGTERM)
    assert await asyncio.wait_for(running, 5) == [Unfinished.CUT_OFF, NOT_STARTED]
    assert cleaned == [7]


async def test_who_cancels_the_caller_cancels_the_workers():
    started, cleaned = asyncio.Event(), []

    async def worker(item: int) -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            cleaned.append(item)

    running = asyncio.create_task(run_bounded([1], worker, limit=1, stop=Stop()))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cleaned == [1]


async def test_a_worker_cancelled_from_within_does_not_take_its_lane_along():
    async def worker(item: int) -> int:
        if item == 0:
            raise asyncio.CancelledError
        return item

    assert await run_bounded([0, 1], worker, limit=1, stop=Stop()) == [Unfinished.CUT_OFF, 1]


async def test_what_no_worker_may_raise_is_not_lost():
    class Odd(BaseException):
        pass

    async def worker(_: int) -> None:
        raise Odd

    with pytest.raises(Odd):
        await run_bounded([0], worker, limit=1, stop=Stop())


# --- signals


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_for_the_end_and_the_old_handlers_come_back(signum: signal.Signals):
    before = signal.getsignal(signum)
    run = Run()
    with handle_signals(run):
        signal.raise_signal(signum)
        assert isinstance(run.stop.exit, CancelledExit)
        assert run.stop.exit.signum == signum
    assert signal.getsignal(signum) is before


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_the_process_was_started_to_ignore_stays_ignored(signum: signal.Signals):
    run = Run()
    with ignoring(signum):
        with handle_signals(run):
            signal.raise_signal(signum)
            assert run.stop.exit is None
        assert signal.getsignal(signum) is signal.SIG_IGN


async def test_outside_the_main_thread_signals_are_left_alone():
    before = signal.getsignal(signal.SIGTERM)

    def enter() -> bool:
        run = Run()
        with handle_signals(run):
            return run.handles_signals

    assert await asyncio.to_thread(enter) is False
    assert signal.getsignal(signal.SIGTERM) is before


# --- the verdict


def stopped(*signums: int, churn: str | None = None) -> Stop:
    stop = Stop()
    if churn:
        stop.churn(churn)
    for signum in signums:
        stop.cancel(signum)
    return stop


@pytest.mark.parametrize(
    ("ending", "stop", "outcome", "code"),
    [
        ({}, Stop(), "ok", 0),
        ({"outcome": "ok", "n": 1}, Stop(), "ok", 0),
        ({"outcome": "idle"}, Stop(), "idle", 0),
        ({"outcome": "quota-exhausted"}, Stop(), "quota-exhausted", 0),
        ({"outcome": "failure"}, Stop(), "failure", 1),
        ({"outcome": "nonsense"}, Stop(), "failure", 1),
        (EmptyKeyRing("hunting"), Stop(), "config", 78),
        (DatabaseUnavailable("no server"), Stop(), "unavailable", 69),
        (ExceptionGroup("", [ValueError(), DatabaseUnavailable("no server")]), Stop(), "unavailable", 69),
        (ChurnExit("rate limit"), Stop(), "churn", 75),
        (BaseExceptionGroup("", [ValueError("x"), ChurnExit("rate limit")]), Stop(), "churn", 75),
        (CancelledExit(signal.SIGTERM), Stop(), "cancelled", 143),
        (BaseExceptionGroup("", [ChurnExit(), CancelledExit(signal.SIGINT)]), Stop(), "cancelled", 130),
        (KeyboardInterrupt(), Stop(), "cancelled", 130),
        (ValueError("x"), Stop(), "failure", 1),
        (asyncio.CancelledError(), Stop(), "failure", 1),
        (SystemExit(0), Stop(), "failure", 1),
        (SystemExit("some text"), Stop(), "failure", 1),
        (SystemExit(78), Stop(), "config", 78),
        # a stop that nobody raised
        ({"outcome": "ok"}, stopped(churn="rate limit"), "churn", 75),
        ({"outcome": "ok"}, stopped(signal.SIGTERM), "cancelled", 143),
        # a signal is above everything; a churn does not hide that something was not stored
        (DatabaseUnavailable("no server"), stopped(signal.SIGINT), "cancelled", 130),
        (asyncio.CancelledError(), stopped(signal.SIGTERM), "cancelled", 143),
        (DatabaseUnavailable("no server"), stopped(churn="rate limit"), "unavailable", 69),
    ],
)
def test_verdict(ending, stop: Stop, outcome: str, code: int):
    found = verdict(ending, stop)
    assert (found[0], found[1]) == (outcome, code)
    assert (found[2] is None) == (code == 0)


def test_the_error_says_what_happened():
    assert verdict(EmptyKeyRing("hunting"), Stop())[2].startswith("Empty KeyRing: no keys for 'hunting'")
    assert verdict(ValueError("x"), Stop())[2] == "ValueError: x"
    assert verdict(ExceptionGroup("g", [ValueError("x"), KeyError("y")]), Stop())[2] == "ValueError: x; KeyError: 'y'"
    assert "nonsense" in verdict({"outcome": "nonsense"}, Stop())[2]
    assert verdict({"outcome": "failure", "error": "two\nlines"}, Stop())[2] == "two lines"


# --- the result file


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


def test_a_result_without_an_error_has_no_such_key(tmp_path):
    result().write(tmp_path / "r.json")
    assert "error" not in json.loads((tmp_path / "r.json").read_text())


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


def test_an_exception_without_a_message_is_told_by_its_class():
    assert describe(TimeoutError()) == "TimeoutError"
    assert describe(DatabaseUnavailable("no server")) == "no server"


# --- the guard, where no child process of the integration tests goes

GUARD = """
import asyncio, sys
from pathlib import Path
from maia.resilience import run_agent
async def main():
    {body}
run_agent("tracker", "1/2", main, result_file=Path({path!r}))
"""


def run_guard(body: str, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", GUARD.format(body=body, path=path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_config_error_is_one_line_that_says_itself_how_to_mend_it(tmp_path):
    body = "from atlas.errors import EmptyKeyRing; raise EmptyKeyRing('tracking')"
    done = run_guard(body, str(tmp_path / "r.json"))
    assert done.returncode == 78
    assert done.stderr.startswith("maia tracker: Empty KeyRing: no keys for 'tracking' in YOUTUBE_API_KEY_POOL_JSON")
    assert done.stderr.count("\n") == 1
    assert json.loads((tmp_path / "r.json").read_text())["outcome"] == "config"


def test_a_failure_tells_where_and_keeps_secrets(tmp_path):
    done = run_guard("raise OSError('no way to postgresql://u:hidden@h/db')", str(tmp_path / "r.json"))
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "hidden" not in done.stderr
    assert "hidden" not in (tmp_path / "r.json").read_text()


def test_a_result_file_that_cannot_be_written_does_not_change_the_code(tmp_path):
    (tmp_path / "file").touch()
    done = run_guard("return {'outcome': 'idle'}", str(tmp_path / "file" / "r.json"))
    assert done.returncode == 0
    assert "cannot be written" in done.stderr


def test_an_exit_handler_cannot_change_the_code(tmp_path):
    body = "import atexit, os; atexit.register(os._exit, 5); return {}"
    assert run_guard(body, str(tmp_path / "r.json")).returncode == 0
