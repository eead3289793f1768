"""What every provider of the vault promises."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import tenacity
from pydantic import SecretStr

from atlas.vault import FlushReport, Provider, Vault
from atlas.vault.huggingface import HuggingFaceProvider
from atlas.vault.local import LocalProvider
from atlas.vault.off import OffProvider
from atlas.vault.records import Record

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
KEEPING = ["local", "huggingface"]


class Case:
    """A provider, a way to see what it keeps and a way to break it."""

    def __init__(self, name: str, tmp_path: Path, hub: Any) -> None:
        self.name, self.hub = name, hub
        self.folder = tmp_path / "vault"
        self.provider: Provider
        if name == "local":
            self.provider = LocalProvider(self.folder)
        elif name == "huggingface":
            self.provider = HuggingFaceProvider(
                "me/maia-archive", SecretStr(hub.token), endpoint=hub.endpoint, wait=tenacity.wait_none()
            )
        else:
            self.provider = OffProvider()

    def kept(self) -> dict[str, bytes]:
        if self.name == "huggingface":
            return dict(self.hub.files)
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }

    def break_it(self) -> None:
        self.hub.faults["commit"] = [403] * 10
        self.folder.parent.mkdir(exist_ok=True)
        self.folder.write_text("in the way")


@pytest.fixture(params=[*KEEPING, "off"])
def case(request: pytest.FixtureRequest, tmp_path: Path, hub: Any) -> Case:
    return Case(request.param, tmp_path, hub)


def records(*ids: str, body: bytes = b"{}\n") -> list[Record]:
    return [Record(video_id, f"metadata/2026-11-22/{video_id}.json", body) for video_id in ids]


def soon() -> float:
    return time.monotonic() + 30


def test_it_is_named_as_in_the_setting(case: Case) -> None:
    assert case.provider.name == case.name
    assert case.provider.enabled == (case.name != "off")


def test_checking_a_good_one_says_nothing_and_leaves_nothing(case: Case) -> None:
    case.provider.check()
    assert case.kept() == {}
    assert case.hub.requests == []


def test_what_is_not_failed_is_kept_byte_for_byte_under_its_path(case: Case) -> None:
    failed = case.provider.store(records("aaaaaaaaaaa", "-_bbbbbbbbb"), soon())
    kept = case.kept()
    assert dict.fromkeys(kept, b"{}\n") == kept
    assert set(kept) | set(failed) == {"metadata/2026-11-22/aaaaaaaaaaa.json", "metadata/2026-11-22/-_bbbbbbbbb.json"}
    assert not set(kept) & set(failed)
    assert bool(failed) == (case.name == "off")


def test_storing_again_replaces(case: Case) -> None:
    case.provider.store(records("aaaaaaaaaaa"), soon())
    failed = case.provider.store(records("aaaaaaaaaaa", body=b'{"new":1}\n'), soon())
    if case.provider.enabled:
        assert not failed
        assert case.kept() == {"metadata/2026-11-22/aaaaaaaaaaa.json": b'{"new":1}\n'}


def test_storing_the_same_again_is_no_failure(case: Case) -> None:
    first = case.provider.store(records("aaaaaaaaaaa"), soon())
    assert case.provider.store(records("aaaaaaaaaaa"), soon()) == first


def test_reading_finds_what_was_stored_or_says_that_it_cannot(case: Case) -> None:
    case.provider.store(records("aaaaaaaaaaa"), soon())
    if case.name == "huggingface":
        with pytest.raises(NotImplementedError, match="me/maia-archive"):
            case.provider.load("metadata/2026-11-22/aaaaaaaaaaa.json")
    else:
        expected = b"{}\n" if case.provider.enabled else None
        assert case.provider.load("metadata/2026-11-22/aaaaaaaaaaa.json") == expected
        assert case.provider.load("metadata/2026-11-22/bbbbbbbbbbb.json") is None


async def test_a_broken_one_fails_nobody_and_works_again_once_mended(case: Case) -> None:
    case.break_it()
    store = Vault(case.provider, now=lambda: NOW)
    store.store_metadata("aaaaaaaaaaa", {"id": "aaaaaaaaaaa"})
    report = await store.flush()
    if not case.provider.enabled:
        assert report == FlushReport()
        return
    assert report.stored == ()
    assert report.failed == ("aaaaaaaaaaa",)
    assert report.error is not None
    assert case.hub.token not in report.error

    case.hub.faults.clear()
    case.folder.unlink()
    store.store_metadata("aaaaaaaaaaa", {"id": "aaaaaaaaaaa"}, refetched=True)
    assert (await store.flush()).stored == ("aaaaaaaaaaa",)
    assert case.kept() == {
        "metadata/2026-11-22/aaaaaaaaaaa.json": (
            b'{"id":"aaaaaaaaaaa","_maia":{"refetched_at":"2026-11-22T08:00:00Z"}}\n'
        )
    }


def test_only_the_hub_provider_costs_the_import_of_its_library(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys, tempfile, pathlib\n"
        "from atlas import vault\n"
        "from atlas.vault import Vault\n"
        "from atlas.vault.local import LocalProvider\n"
        "store = Vault(LocalProvider(pathlib.Path(sys.argv[1])))\n"
        "store.store_metadata('aaaaaaaaaaa', {})\n"
        "assert asyncio.run(store.flush()).stored\n"
        "assert not {'huggingface_hub', 'apprise', 'tenacity'} & set(sys.modules), sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "vault")], check=True, timeout=60, cwd=tmp_path)
