"""Buffering and flushing, with a provider that does as it is told."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

import pytest

from atlas.vault import FlushReport, Vault, buffer
from atlas.vault.layout import decode_part
from atlas.vault.providers.off import OffProvider
from atlas.vault.records import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from atlas.vault.providers.base import Entry


AN_EMPTY_ONE = encode({"_maia": {"observed_at": "2026-11-22T08:00:00.000000Z"}})


class FakeProvider:
    name = "fake"
    enabled = True
    folder_limit = None
    skipped: ClassVar[dict[str, str]] = {}

    def __init__(self, act: Callable[[Mapping[str, bytes]], Mapping[str, str]] = lambda _: {}) -> None:
        self.act = act
        self.flushes: list[dict[str, bytes]] = []

    def check_writable(self) -> None:
        pass

    def check(self) -> None:
        pass

    def read(self, path: str) -> bytes | None:
        return None

    def list(self, folder: str) -> Iterator[Entry]:
        return iter(())

    def commit(
        self, add: Mapping[str, bytes], delete: Collection[str], *, message: str, deadline: float
    ) -> Mapping[str, str]:
        assert not delete
        self.flushes.append(dict(add))
        self.message = message
        self.thread = threading.current_thread()
        return self.act(add)

    def erase_history(self) -> None:
        pass


def at(text: str) -> Callable[[], datetime]:
    return lambda: datetime.fromisoformat(text)


async def test_nothing_is_stored_before_the_flush_and_nothing_twice() -> None:
    provider = FakeProvider()
    vault = Vault(provider, now=at("2026-11-22T23:59:59Z"))
    vault.store_metadata("aaaaaaaaaaa", {"id": "aaaaaaaaaaa"})
    vault.store_metadata("bbbbbbbbbbb", {"id": "bbbbbbbbbbb"})
    assert vault.pending() == 2
    assert provider.flushes == []

    assert await vault.flush() == FlushReport(stored=("aaaaaaaaaaa", "bbbbbbbbbbb"))
    assert vault.pending() == 0
    assert await vault.flush() == FlushReport()
    (files,) = provider.flushes
    assert list(files) == ["metadata/2026-11-22/aaaaaaaaaaa.json", "metadata/2026-11-22/bbbbbbbbbbb.json"]
    assert provider.message == "Archive 2 videos"
    assert provider.thread is not threading.main_thread()


async def test_a_later_record_of_the_same_day_replaces_and_one_of_the_next_day_does_not() -> None:
    provider = FakeProvider()
    times = iter(map(datetime.fromisoformat, ["2026-11-22T10:00Z", "2026-11-22T11:00Z", *["2026-11-23T00:00Z"] * 2]))
    vault = Vault(provider, now=lambda: next(times))
    for views in ("1", "2", "3"):
        vault.store_metadata("aaaaaaaaaaa", {"views": views})

    assert (await vault.flush()).stored == ("aaaaaaaaaaa",)
    assert [(path, decode(body)["views"]) for path, body in provider.flushes[0].items()] == [
        ("metadata/2026-11-22/aaaaaaaaaaa.json", "2"),
        ("metadata/2026-11-23/aaaaaaaaaaa.json", "3"),
    ]


async def test_a_video_is_stored_only_when_all_its_records_are() -> None:
    times = iter(map(datetime.fromisoformat, ["2026-11-22T10:00Z", *["2026-11-23T00:00Z"] * 2]))
    provider = FakeProvider(lambda add: {list(add)[1]: "disk full"})
    vault = Vault(provider, now=lambda: next(times))
    vault.store_metadata("aaaaaaaaaaa", {})
    vault.store_metadata("aaaaaaaaaaa", {})

    report = await vault.flush()

    assert (report.stored, report.failed) == ((), ("aaaaaaaaaaa",))


async def test_later_changes_of_the_mapping_do_not_count() -> None:
    provider = FakeProvider()
    vault = Vault(provider)
    answer = {"id": "before"}
    vault.store_metadata("aaaaaaaaaaa", answer)
    answer["id"] = "after"
    await vault.flush()
    (body,) = provider.flushes[0].values()
    assert decode(body)["id"] == "before"


async def test_partial_failures_are_reported_by_id_and_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    provider = FakeProvider(lambda add: {next(iter(add)): "disk full"})
    vault = Vault(provider)
    vault.store_metadata("aaaaaaaaaaa", {})
    vault.store_metadata("bbbbbbbbbbb", {})

    report = await vault.flush()

    assert report == FlushReport(
        stored=("bbbbbbbbbbb",),
        failed=("aaaaaaaaaaa",),
        error="1 of 2 videos were not archived (fake): disk full.",
    )
    assert vault.pending() == 0
    (logged,) = caplog.records
    assert logged.levelno == logging.WARNING
    assert "disk full" in logged.getMessage()


@pytest.mark.parametrize("error", [OSError("no\nroute"), ValueError(""), KeyError("x"), SystemError("x")])
async def test_whatever_the_provider_raises_is_reported(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: object) -> Mapping[str, str]:
        raise error

    vault = Vault(FakeProvider(fail))
    vault.store_metadata("aaaaaaaaaaa", {})
    report = await vault.flush()
    assert report.failed == ("aaaaaaaaaaa",)
    assert report.error is not None
    assert "\n" not in report.error
    assert len(caplog.records) == 1


async def test_a_secret_in_the_providers_text_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    secret = "hf_" + "x" * 30

    def fail(_: object) -> Mapping[str, str]:
        raise OSError(f"bad header {secret}")

    vault = Vault(FakeProvider(fail))
    vault.store_metadata("aaaaaaaaaaa", {})
    report = await vault.flush()
    assert secret not in f"{report}{caplog.text}"


async def test_a_provider_that_hangs_is_abandoned() -> None:
    over = threading.Event()

    def hang(_: object) -> Mapping[str, str]:
        over.wait(30)
        return {}

    vault = Vault(FakeProvider(hang), flush_seconds=0.05)
    vault.store_metadata("aaaaaaaaaaa", {})
    async with asyncio.timeout(10):
        report = await vault.flush()
    over.set()
    assert report.failed == ("aaaaaaaaaaa",)
    assert report.error is not None
    assert "no answer within 0.05 s" in report.error


async def test_a_flush_may_be_given_less_time_but_not_more() -> None:
    left: list[float] = []

    class Timed(FakeProvider):
        def commit(self, *_: object, deadline: float, **__: object) -> Mapping[str, str]:  # type: ignore[override]
            left.append(deadline - time.monotonic())
            return {}

    vault = Vault(Timed(), flush_seconds=20.0)
    for seconds in (None, 5.0, 100.0):
        vault.store_metadata("aaaaaaaaaaa", {})
        assert (await vault.flush(seconds)).stored == ("aaaaaaaaaaa",)
    assert max(left) <= 18.0
    assert left[1] <= 4.5
    vault.store_metadata("aaaaaaaaaaa", {})
    assert (await vault.flush(0.0)).failed == ("aaaaaaaaaaa",)


async def test_what_arrives_during_a_flush_belongs_to_the_next() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def wait(_: object) -> Mapping[str, str]:
        inside.set()
        assert go_on.wait(10)
        return {}

    provider = FakeProvider(wait)
    vault = Vault(provider)
    vault.store_metadata("aaaaaaaaaaa", {})
    flushing = asyncio.create_task(vault.flush())
    assert await asyncio.to_thread(inside.wait, 10)  # the loop goes on while the provider works
    vault.store_metadata("bbbbbbbbbbb", {})
    go_on.set()

    assert (await flushing).stored == ("aaaaaaaaaaa",)
    assert vault.pending() == 1
    assert (await vault.flush()).stored == ("bbbbbbbbbbb",)


async def test_a_record_that_cannot_be_written_is_reported_and_the_others_are_stored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider = FakeProvider()
    vault = Vault(provider)
    vault.store_metadata("aaaaaaaaaaa", {"bad": object()})
    assert "aaaaaaaaaaa" in caplog.text
    vault.store_metadata("bbbbbbbbbbb", {})

    report = await vault.flush()

    assert (report.stored, report.failed) == (("bbbbbbbbbbb",), ("aaaaaaaaaaa",))
    assert report.error is not None
    assert "object cannot be written as JSON" in report.error
    assert await vault.flush() == FlushReport()


async def test_a_record_that_is_corrected_before_the_flush_counts() -> None:
    vault = Vault(FakeProvider())
    vault.store_metadata("aaaaaaaaaaa", {"bad": object()})
    vault.store_metadata("aaaaaaaaaaa", {"good": 1})
    assert await vault.flush() == FlushReport(stored=("aaaaaaaaaaa",))


@pytest.mark.parametrize("limit", ["FLUSH_DUE_RECORDS", "FLUSH_DUE_BYTES"])
async def test_a_full_buffer_says_once_that_a_flush_is_due_and_drops_nothing(
    limit: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffer, limit, {"FLUSH_DUE_RECORDS": 3, "FLUSH_DUE_BYTES": 3 * len(AN_EMPTY_ONE)}[limit])
    vault = Vault(FakeProvider(), now=at("2026-11-22T08:00:00Z"))
    for n in range(2):
        vault.store_metadata(f"video{n}", {})
    vault.store_metadata("video0", {})  # replaced, so not a third one
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
    vault.store_metadata("aaaaaaaaaaa", {})
    assert vault.pending() == 0
    assert await vault.flush() == FlushReport()
    with pytest.raises(ValueError, match="not a video id"):
        vault.store_metadata("../escape", {})


async def test_a_refetched_record_is_marked_with_the_schedule_time() -> None:
    provider = FakeProvider()
    vault = Vault(provider, now=lambda: datetime(2017, 11, 14, 8, tzinfo=UTC))
    vault.store_metadata("aaaaaaaaaaa", {"id": "aaaaaaaaaaa"}, refetched=True)
    await vault.flush()
    ((path, body),) = provider.flushes[0].items()
    assert path == "metadata/2017-11-14/aaaaaaaaaaa.json"
    mark = b'{"observed_at":"2017-11-14T08:00:00.000000Z","refetched_at":"2017-11-14T08:00:00Z"}'
    assert body == b'{"id":"aaaaaaaaaaa","_maia":' + mark + b"}\n"


async def test_the_time_of_the_observation_may_be_the_databases() -> None:
    provider = FakeProvider()
    vault = Vault(provider, now=at("2026-11-23T00:00:01Z"))
    vault.store_metadata("aaaaaaaaaaa", {}, observed_at=datetime(2026, 11, 22, 23, 59, 59, 999_999, tzinfo=UTC))
    await vault.flush()
    ((path, body),) = provider.flushes[0].items()
    assert path == "metadata/2026-11-23/aaaaaaaaaaa.json"
    assert decode(body) == {"_maia": {"observed_at": "2026-11-22T23:59:59.999999Z"}}


async def test_the_day_is_utcs_whatever_the_clocks_zone() -> None:
    provider = FakeProvider()
    vault = Vault(provider, now=at("2026-11-23T00:30:00+05:30"))
    vault.store_metadata("aaaaaaaaaaa", {})
    await vault.flush()
    assert list(provider.flushes[0]) == ["metadata/2026-11-22/aaaaaaaaaaa.json"]


async def test_packed_a_flush_is_one_file_for_each_day() -> None:
    provider = FakeProvider()
    times = iter(map(datetime.fromisoformat, ["2026-11-22T23:59Z"] * 2 + ["2026-11-23T00:00Z"] * 2))
    vault = Vault(provider, "packed", now=lambda: next(times))
    for video_id in ("aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc"):
        vault.store_metadata(video_id, {"id": video_id})

    assert (await vault.flush()).stored == ("aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc")

    (files,) = provider.flushes
    assert [[record.video_id for record in decode_part(part)] for part in files.values()] == [
        ["aaaaaaaaaaa", "bbbbbbbbbbb"],
        ["ccccccccccc"],
    ]
    assert [path[:34] for path in files] == ["packed/2026-11-22/20261123T0000000", "packed/2026-11-23/20261123T0000000"]
