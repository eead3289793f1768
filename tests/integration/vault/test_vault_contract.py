"""What every provider of the vault promises."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from atlas.errors import ConfigError
from atlas.vault import FlushReport, Provider, Vault
from atlas.vault.layout import is_part
from atlas.vault.providers.filesystem import FilesystemProvider
from atlas.vault.providers.local import LocalProvider
from atlas.vault.providers.off import OffProvider

from ...support.memory_bucket import memory_bucket
from .conftest import hub_provider, put

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
FILE = "metadata/2026-11-22/aaaaaaaaaaa.json"
OTHER = "metadata/2026-11-22/-_bbbbbbbbb.json"
PART = "packed/2026-11-22/20261122T080000000000Z-0a1b2c3d.jsonl.zst"
CARD = "README.md"


class Case:
    """A provider, and a way to break it and to repair it again."""

    def __init__(self, kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        self.kind = kind
        self.folder = tmp_path / "vault"
        self.hub: Any = None
        self.provider: Provider
        if kind == "local":
            self.provider = LocalProvider(self.folder)
        elif kind == "huggingface":
            self.hub = request.getfixturevalue("hub")
            self.provider = hub_provider(self.hub)
        elif kind == "off":
            self.provider = OffProvider()
        else:
            url = {
                "file": self.folder.as_uri,
                "memory": lambda: memory_bucket(request.getfixturevalue("monkeypatch")),
                "s3": lambda: request.getfixturevalue("s3"),
            }[kind]()
            self.provider = FilesystemProvider(url)

    def kept(self) -> dict[str, bytes | None]:
        listed = [entry.path for entry in self.provider.list("")]
        assert listed == sorted(listed)
        return {path: self.provider.read(path) for path in listed if path != CARD}

    def break_it(self) -> None:
        if self.kind == "huggingface":
            self.hub.faults["commit"] = [403] * 10
        elif self.kind in {"local", "file"}:
            self.folder.write_text("in the way")
        else:
            self.provider.commit = Mock(side_effect=OSError("broken"))  # type: ignore[method-assign]

    def repair_it(self) -> None:
        if self.kind == "huggingface":
            self.hub.faults.clear()
        vars(self.provider).pop("commit", None)
        self.folder.unlink(missing_ok=True)


KEEPING = ["local", "file", "memory", "s3", "huggingface"]


@pytest.fixture(params=KEEPING)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return Case(request.param, request, tmp_path)


@pytest.fixture(params=[*KEEPING, "off"])
def any_case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return Case(request.param, request, tmp_path)


def test_checks_and_an_empty_one_leave_nothing(any_case: Case) -> None:
    provider = any_case.provider
    provider.check()
    assert not any_case.folder.exists()
    provider.check_writable()
    assert any_case.kept() == {}
    assert not any_case.folder.exists() or list(any_case.folder.rglob("*")) == []
    if any_case.hub:
        assert set(any_case.hub.requests) == {"writable", "tree"}, "one request, beside our own look at it"
    assert provider.read(FILE) is None
    assert list(provider.list("metadata/2026-11-22")) == []
    assert not put(provider, {}, FILE)
    provider.erase_history()


def test_one_that_cannot_be_written_at_all_is_a_config_error(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    if case.kind == "huggingface":
        case.hub.faults["writable"] = [403]
    elif case.kind == "s3":
        case.provider = FilesystemProvider("s3://no-such-bucket/maia")
    elif case.kind == "memory":
        fs, _ = case.provider._open()  # type: ignore[attr-defined]
        monkeypatch.setattr(fs, "pipe_file", Mock(side_effect=PermissionError("AccessDenied")))
    else:
        case.folder.write_text("in the way")
    names = {"huggingface": "HF_DATASET_ID", "local": "VAULT_PATH"}
    with pytest.raises(ConfigError, match=rf"^{names.get(case.kind, 'VAULT_URL')}") as caught:
        case.provider.check_writable()
    place = {"huggingface": "me/maia-archive", "s3": "no-such-bucket", "memory": "oss://bucket/maia"}
    assert place.get(case.kind, str(case.folder)) in str(caught.value)


@pytest.mark.parametrize("kind", ["memory", "huggingface"])
async def test_a_place_that_gives_no_answer_stops_no_agent(
    kind: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = Case(kind, request, tmp_path)
    if case.hub:
        case.hub.faults["writable"] = [503, 503]
    else:
        fs, _ = case.provider._open()  # type: ignore[attr-defined]
        monkeypatch.setattr(fs, "pipe_file", Mock(side_effect=ConnectionError("away")))
    vault = Vault(case.provider)
    await vault.check_writable()
    await vault.check_writable()
    assert caplog.text.count("cannot check whether the archive can be written") == 1
    if case.hub:
        assert case.hub.requests == ["writable"], "it is not asked again"


def test_off_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    provider = OffProvider()
    assert put(provider, {FILE: b"{}\n"}) == {FILE: "the vault is off"}
    assert provider.read(FILE) is None


def test_what_was_added_is_kept_byte_for_byte_under_its_path(case: Case) -> None:
    bodies = {FILE: b"{}\n", OTHER: '{"ü":1}\n'.encode(), PART: bytes(range(256)) * 20}
    assert not put(case.provider, bodies)
    assert case.kept() == bodies
    assert [(entry.path, entry.size) for entry in case.provider.list("packed")] == [(PART, 5_120)]
    assert [entry.path for entry in case.provider.list("metadata/2026-11-22")] == [OTHER, FILE]
    assert list(case.provider.list("meta")) == []


@pytest.mark.parametrize("body", [b"{}\n", b'{"new":1}\n'], ids=["same", "new"])
def test_adding_again_replaces(case: Case, body: bytes) -> None:
    put(case.provider, {FILE: b"{}\n", PART: b"{}\n"})
    assert not put(case.provider, {FILE: body, PART: body})
    assert case.kept() == {FILE: body, PART: body}


def test_additions_and_deletions_go_together_and_what_is_gone_is_gone(case: Case) -> None:
    put(case.provider, {FILE: b"{}\n", OTHER: b"{}\n"})
    for _ in range(2):  # the second time they are gone already
        assert not put(case.provider, {PART: b"both"}, FILE, OTHER, "metadata/2026-11-22/ccccccccccc.json")
        assert case.kept() == {PART: b"both"}
    assert list(case.provider.list("metadata")) == []
    assert not put(case.provider, {FILE: b"{}\n"}, PART)
    assert case.kept() == {FILE: b"{}\n"}


def test_nothing_is_begun_after_the_deadline(case: Case) -> None:
    put(case.provider, {FILE: b"{}\n"})
    try:
        failed = put(case.provider, {OTHER: b"{}\n", PART: b"late"}, FILE, seconds=-1)
    except OSError as error:
        assert "the time for the flush was up" in str(error)
    else:
        assert set(failed) == {OTHER, PART, FILE}
        assert failed[OTHER] == failed[PART] == "the time for the flush was up"
    assert case.kept() == {FILE: b"{}\n"}


def test_where_an_addition_fails_nothing_is_deleted(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    put(case.provider, {FILE: b"{}\n"})
    with monkeypatch.context() as broken:
        if case.kind == "huggingface":
            case.hub.faults["commit"] = [413]
        elif case.kind in {"local", "file"}:
            (case.folder / "packed").write_text("in the way")
        else:
            opened = case.provider._open()[0]  # type: ignore[attr-defined]
            method = "_pipe_file" if opened.async_impl else "pipe_file"
            broken.setattr(opened, method, Mock(side_effect=OSError("no room")))
        try:
            failed: Any = put(case.provider, {PART: b"part"}, FILE)
        except OSError:
            failed = {PART, FILE}
    assert set(failed) == {PART, FILE}
    assert case.provider.read(FILE) == b"{}\n"
    assert case.provider.read(PART) is None if case.kind not in {"local", "file"} else True


@pytest.mark.parametrize("layout", ["files", "packed"])
async def test_a_record_comes_back_from_either_layout(case: Case, layout: Any) -> None:
    answer = {"id": "aaaaaaaaaaa", "snippet": {"title": "half an emoji \ud83d"}}
    store = Vault(case.provider, layout, now=lambda: NOW)
    store.store_metadata("aaaaaaaaaaa", answer)
    assert store.load_metadata("aaaaaaaaaaa", date(2026, 11, 22)) is None
    assert (await store.flush()).stored == ("aaaaaaaaaaa",)
    mark = {"_maia": {"observed_at": "2026-11-22T08:00:00.000000Z"}}
    assert store.load_metadata("aaaaaaaaaaa", date(2026, 11, 22)) == answer | mark
    assert store.load_metadata("bbbbbbbbbbb", date(2026, 11, 22)) is None
    assert store.load_metadata("aaaaaaaaaaa", date(2026, 11, 21)) is None
    assert [is_part(path) for path in case.kept()] == [layout == "packed"]


async def test_a_broken_place_fails_no_agent_and_works_again_once_repaired(any_case: Case) -> None:
    case = any_case
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
    assert not case.hub or case.hub.token not in report.error

    case.repair_it()
    store.store_metadata("aaaaaaaaaaa", {"id": "aaaaaaaaaaa"}, refetched=True)
    assert (await store.flush()).stored == ("aaaaaaaaaaa",)
    mark = b'{"observed_at":"2026-11-22T08:00:00.000000Z","refetched_at":"2026-11-22T08:00:00Z"}'
    assert case.kept() == {FILE: b'{"id":"aaaaaaaaaaa","_maia":' + mark + b"}\n"}


@pytest.mark.parametrize(
    ("layout", "clients"),
    [
        ("files", "{'huggingface_hub', 'apprise', 'tenacity', 'fsspec', 's3fs', 'zstandard'}"),
        ("packed", "{'huggingface_hub', 'apprise', 'tenacity', 'fsspec', 's3fs'}"),
    ],
)
def test_only_who_uses_a_library_pays_for_its_import(tmp_path: Path, layout: str, clients: str) -> None:
    script = (
        "import asyncio, sys, pathlib\n"
        "from atlas import vault\n"
        "from atlas.vault import Vault\n"
        "from atlas.vault.providers.local import LocalProvider\n"
        "store = Vault(LocalProvider(pathlib.Path(sys.argv[1])), sys.argv[2])\n"
        "store.store_metadata('aaaaaaaaaaa', {})\n"
        "assert asyncio.run(store.flush()).stored\n"
        f"assert not {clients} & set(sys.modules), sys.modules.keys()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "vault"), layout]
    subprocess.run(command, check=True, timeout=60, cwd=tmp_path)
