"""Buffering and flushing, with a provider that does as it is told."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest

from atlas.vault import FlushReport, Vault, buffer
from atlas.vault.layout import decode_part
from atlas.vault.providers.off import OffProvider
from atlas.vault.records import decode, encode

from ..support.archives import MemoryProvider

A, B = "aaaaaaaaaaa", "bbbbbbbbbbb"
EMPTY = encode({"_maia": {"observed_at": "2026-11-22T08:00:00.000000Z"}})


class FakeProvider(MemoryProvider):
    name = "fake"

    def __init__(self, act: Callable[[Mapping[str, bytes]], Mapping[str, str]] = lambda _: {}) -> None:
        super().__init__()
        self.act = act
        self.flushes: list[dict[str, bytes]] = []

    def commit(
        self, add: Mapping[str, bytes], delete: Collection[str], *, message: str, deadline: float
    ) -> Mapping[str, str]:
        assert not delete
        self.flushes.append(dict(add))
        self.message, self.left, self.thread = message, deadline - time.monotonic(), threading.current_thread()
        return self.act(add)


def at(*times: str) -> Callable[[], datetime]:
    """A clock that shows these times one after the other, and then the last of them."""

    def shown() -> Iterator[datetime]:
        yield from map(datetime.fromisoformat, times)
        while True:
            yield datetime.fromisoformat(times[-1])

    return shown().__next__


async def test_nothing_is_stored_before_the_flush_and_nothing_twice() -> None:
    provider = FakeProvider()
    vault = Vault(provider, now=at("2026-11-22T23:59:59Z"))
    answer = {"id": "before"}
    vault.store_metadata(A, answer)
    answer["id"] = "after"  # later changes of the mapping do not count
    vault.store_metadata(B, {"id": B})
    assert (vault.pending(), provider.flushes) == (2, [])

    assert await vault.flush() == FlushReport(stored=(A, B))
    assert vault.pending() == 0
    assert await vault.flush() == FlushReport()
    (files,) = provider.flushes
    assert list(files) == [f"metadata/2026-11-22/{A}.json", f"metadata/2026-11-22/{B}.json"]
    assert decode(files[f"metadata/2026-11-22/{A}.json"])["id"] == "before"
    assert provider.message == "Archive 2 videos"
    assert provider.thread is not threading.main_thread()


async def test_a_later_record_of_the_same_day_replaces_and_one_of_the_next_day_does_not() -> None:
    provider = FakeProvider()
    vault = Vault(provider, now=at("2026-11-22T10:00Z", "2026-11-22T11:00Z", "2026-11-23T00:00Z"))
    for views in ("1", "2", "3"):
        vault.store_metadata(A, {"views": views})
    assert (await vault.flush()).stored == (A,)
    assert [(path, decode(body)["views"]) for path, body in provider.flushes[0].items()] == [
        (f"metadata/2026-11-22/{A}.json", "2"),
        (f"metadata/2026-11-23/{A}.json", "3"),
    ]


async def test_a_video_is_stored_only_when_all_its_records_are(caplog: pytest.LogCaptureFixture) -> None:
    vault = Vault(FakeProvider(lambda add: {list(add)[1]: "disk full"}), now=at("2026-11-22T10:00Z", "2026-11-23T00Z"))
    for video in (A, A, B):
        vault.store_metadata(video, {})
    error = "1 of 2 videos were not archived (fake): disk full."
    assert await vault.flush() == FlushReport(stored=(B,), failed=(A,), error=error)
    assert vault.pending() == 0, "what failed is not kept"
    (logged,) = caplog.records
    assert logged.levelno == logging.WARNING
    assert "disk full" in logged.getMessage()


SECRET = "hf_" + "x" * 30


@pytest.mark.parametrize(
    "error", [OSError("no\nroute"), ValueError(""), KeyError("x"), SystemError("x"), OSError(f"bad header {SECRET}")]
)
async def test_whatever_the_provider_raises_is_reported(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    vault = Vault(FakeProvider(Mock(side_effect=error)))
    vault.store_metadata(A, {})
    report = await vault.flush()
    assert report.failed == (A,)
    assert report.error is not None
    assert "\n" not in report.error
    assert len(caplog.records) == 1
    assert SECRET not in f"{report}{caplog.text}"


async def test_a_provider_that_hangs_is_abandoned() -> None:
    over = threading.Event()

    def hang(_: object) -> Mapping[str, str]:
        over.wait(30)
        return {}

    vault = Vault(FakeProvider(hang), flush_seconds=0.05)
    vault.store_metadata(A, {})
    async with asyncio.timeout(10):
        report = await vault.flush()
    over.set()
    assert report.failed == (A,)
    assert report.error is not None
    assert "no answer within 0.05 s" in report.error


async def test_a_flush_may_be_given_less_time_but_not_more() -> None:
    provider = FakeProvider()
    vault = Vault(provider, flush_seconds=20.0)
    for seconds, most in ((None, 18.0), (5.0, 4.5), (100.0, 18.0)):
        vault.store_metadata(A, {})
        assert (await vault.flush(seconds)).stored == (A,)
        assert provider.left <= most
    vault.store_metadata(A, {})
    assert (await vault.flush(0.0)).failed == (A,)


async def test_what_arrives_during_a_flush_belongs_to_the_next() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def wait(_: object) -> Mapping[str, str]:
        inside.set()
        assert go_on.wait(10)
        return {}

    vault = Vault(FakeProvider(wait))
    vault.store_metadata(A, {})
    flushing = asyncio.create_task(vault.flush())
    assert await asyncio.to_thread(inside.wait, 10)  # the loop goes on while the provider works
    vault.store_metadata(B, {})
    go_on.set()
    assert (await flushing).stored == (A,)
    assert vault.pending() == 1
    assert (await vault.flush()).stored == (B,)


async def test_a_record_that_cannot_be_written_is_reported_and_the_others_are_stored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    vault = Vault(FakeProvider())
    vault.store_metadata(A, {"bad": object()})
    assert A in caplog.text
    vault.store_metadata(B, {})
    vault.store_metadata("corrected", {"bad": object()})
    vault.store_metadata("corrected", {"good": 1})
    report = await vault.flush()
    assert (report.stored, report.failed) == ((B, "corrected"), (A,))
    assert report.error is not None
    assert "object cannot be written as JSON" in report.error
    assert await vault.flush() == FlushReport()


@pytest.mark.parametrize(("limit", "value"), [("FLUSH_DUE_RECORDS", 3), ("FLUSH_DUE_BYTES", 3 * len(EMPTY))])
async def test_a_full_buffer_says_once_that_a_flush_is_due_and_drops_nothing(
    limit: str, value: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffer, limit, value)
    vault = Vault(FakeProvider(), now=at("2026-11-22T08:00:00Z"))
    for n in (0, 1, 0):  # the first one is replaced, so not a third one
        vault.store_metadata(f"video{n}", {})
    assert not vault.flush_due
    assert caplog.records == []
    for n in range(2, 6):
        vault.store_metadata(f"video{n}", {})
    assert vault.flush_due
    assert len(caplog.records) == 1
    assert "flush is due" in caplog.text
    assert len((await vault.flush()).stored) == 6
    assert not vault.flush_due


async def test_off_takes_nothing_and_claims_nothing() -> None:
    vault = Vault(OffProvider())
    assert not vault.enabled
    vault.store_metadata(A, {})
    assert vault.pending() == 0
    assert await vault.flush() == FlushReport()
    with pytest.raises(ValueError, match="not a video id"):
        vault.store_metadata("../escape", {})


LATE = datetime(2026, 11, 22, 23, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "refetched", "observed", "day", "mark"),
    [
        ("2026-11-23T00:30:00+05:30", False, None, "2026-11-22", '{"observed_at":"2026-11-22T19:00:00.000000Z"}'),
        ("2026-11-23T00:00:01Z", False, LATE, "2026-11-23", '{"observed_at":"2026-11-22T23:59:59.999999Z"}'),
        (
            "2017-11-14T08:00:00Z", True, None, "2017-11-14",
            '{"observed_at":"2017-11-14T08:00:00.000000Z","refetched_at":"2017-11-14T08:00:00Z"}',
        ),
    ],
    ids=["the day is UTC's", "observed by the database's clock", "refetched"],
)  # fmt: skip
async def test_a_record_lies_under_its_day_and_is_marked_with_its_times(
    now: str, refetched: bool, observed: datetime | None, day: str, mark: str
) -> None:
    provider = FakeProvider()
    vault = Vault(provider, now=at(now))
    vault.store_metadata(A, {"id": A}, refetched=refetched, observed_at=observed)
    await vault.flush()
    assert provider.flushes[0] == {f"metadata/{day}/{A}.json": f'{{"id":"{A}","_maia":{mark}}}\n'.encode()}


async def test_packed_a_flush_is_one_file_for_each_day() -> None:
    provider = FakeProvider()
    vault = Vault(provider, "packed", now=at("2026-11-22T23:59Z", "2026-11-22T23:59Z", "2026-11-23T00:00Z"))
    for video in (A, B, "ccccccccccc"):
        vault.store_metadata(video, {"id": video})
    assert (await vault.flush()).stored == (A, B, "ccccccccccc")
    (files,) = provider.flushes
    assert [[record.video_id for record in decode_part(part)] for part in files.values()] == [[A, B], ["ccccccccccc"]]
    assert [path[:34] for path in files] == ["packed/2026-11-22/20261123T0000000", "packed/2026-11-23/20261123T0000000"]
