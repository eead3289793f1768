"""The log of calls."""

import asyncio

import pytest

from youtube_sandbox.log import CallLog, LoggedCall


def entry(log: CallLog, endpoint: str = "search", status: int = 200, key: str = "k", agent: str = "") -> LoggedCall:
    return LoggedCall(
        seq=log.next_seq(),
        at="",
        schedule="",
        endpoint=endpoint,
        bucket="search",
        params={},
        key=key,
        project="1",
        status=status,
        reason=None,
        fault=None,
        agent=agent,
        counted=status == 200,
    )


def test_calls_are_found_by_what_they_were() -> None:
    log = CallLog()
    for options in ({}, {"endpoint": "videos"}, {"status": 429}, {"key": "other"}, {"agent": "maia/1 (hunter 0/2)"}):
        log.add(entry(log, **options))  # type: ignore[arg-type]
    assert [one.seq for one in log] == [1, 2, 3, 4, 5]
    assert [one.seq for one in log.calls("search")] == [1, 3, 4, 5]
    assert [one.seq for one in log.calls(status=429)] == [one.seq for one in log.calls(counted=False)] == [3]
    assert [one.seq for one in log.calls(key="other")] == [4]
    assert [one.seq for one in log.calls(agent="hunter")] == [5]
    assert log.totals() == {"search": {"200": 3, "429": 1}, "videos": {"200": 1}}
    log.clear()
    assert (len(log), log.totals(), log.next_seq()) == (0, {}, 1)


async def test_one_can_wait_for_a_call() -> None:
    log = CallLog()
    waiting = asyncio.create_task(log.wait_for(lambda calls: len(calls) >= 2))
    for _ in range(3):
        await asyncio.sleep(0)
        log.add(entry(log))
    await waiting
    await log.wait_for(lambda calls: len(calls) == 3)
    with pytest.raises(TimeoutError):
        await log.wait_for(lambda calls: len(calls) == 99, timeout=0.01)
    log.add(entry(log))
