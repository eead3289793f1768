"""The provider fsspec: an S3-compatible store over its real protocol, and folders."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem

from atlas.errors import ConfigError
from atlas.vault import Vault
from atlas.vault.providers import filesystem
from atlas.vault.providers.base import ArchiveFile
from atlas.vault.providers.filesystem import FilesystemProvider

from ...support.clock_settings import standing_at
from ...support.memory_bucket import memory_bucket
from .conftest import BUCKET, put

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
FILE, OTHER = "metadata/2026-11-22/aaaaaaaaaaa.json", "metadata/2026-11-22/bbbbbbbbbbb.json"
PART = "packed/2026-11-22/20261122T080000000000Z-0a1b2c3d.jsonl.zst"


@pytest.fixture
def store(s3: str) -> Iterator[Any]:
    """Amazon's own client, to look into the bucket."""
    with closing(boto3.client("s3")) as client:
        yield client


def versions(store: Any) -> tuple[Counter[str], int]:
    """How many versions the bucket keeps of each file, and how many marks of deletion."""
    kept = store.list_object_versions(Bucket=BUCKET)
    return Counter(one["Key"].removeprefix("maia/") for one in kept["Versions"]), len(kept.get("DeleteMarkers", []))


@pytest.mark.parametrize("place", ["s3", "file"])
def test_a_process_ends_cleanly(place: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """With every warning an error: no connection is left open, no thread is waited for."""
    url = request.getfixturevalue("s3") if place == "s3" else (tmp_path / "vault").as_uri()
    script = (
        "import asyncio, sys\n"
        "from atlas import vault\n"
        "from datetime import date\n"
        "vault.check(); vault.store_metadata('aaaaaaaaaaa', {'id': 'aaaaaaaaaaa'})\n"
        "assert not {'s3fs', 'aiobotocore'} & set(sys.modules)\n"
        "report = asyncio.run(vault.flush())\n"
        "print(report.stored, report.error)\n"
        "assert vault.load_metadata('aaaaaaaaaaa', date(2026, 11, 22))['id'] == 'aaaaaaaaaaa'\n"
    )
    aws = {name: text for name, text in os.environ.items() if name.startswith("AWS_")}
    env = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "VAULT_PROVIDER": "fsspec", "VAULT_URL": url,
        "ATLAS_CLOCK": standing_at(NOON), **aws,
    }  # fmt: skip
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)
    assert (done.stdout, done.stderr) == ("('aaaaaaaaaaa',) None\n", "")


def test_a_list_is_whole_and_never_stale(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "20")  # S3's own pages have 1,000
    one, other = FilesystemProvider(s3), FilesystemProvider(s3)
    beside = FilesystemProvider(f"{s3}2")
    put(beside, {FILE: b"other\n"})
    assert list(one.list("")) == []
    put(one, {FILE: b"{}\n"})
    assert list(one.list("")) == list(other.list("")) == [ArchiveFile(FILE, 3)]
    paths = [f"metadata/2026-11-22/video{n:05d}.json" for n in range(70)]
    assert not put(other, dict.fromkeys(paths, b"{}\n"), FILE)
    assert [entry.path for entry in one.list("metadata")] == paths
    assert one.read(FILE) is None
    assert not put(one, {PART: b"part"}, *paths)
    assert [entry.path for entry in other.list("")] == [PART]
    assert beside.read(FILE) == b"other\n", "other things in the bucket are none of ours"


def test_a_bucket_that_is_missing_is_told_from_an_empty_one(s3: str) -> None:
    provider = FilesystemProvider("s3://nowhere/maia")
    for ask in (lambda: list(provider.list("")), lambda: provider.read(FILE)):
        with pytest.raises(FileNotFoundError, match="there is no bucket nowhere"):
            ask()
    failed = put(provider, {FILE: b"{}\n"})
    assert set(failed) == {FILE}
    assert "bucket" in failed[FILE]


async def test_a_store_that_is_not_there_costs_the_time_limit_and_no_more(
    s3: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    store = Vault(FilesystemProvider(s3), flush_seconds=2.0)
    store.store_metadata("aaaaaaaaaaa", {})
    report = await store.flush()
    assert report.failed == ("aaaaaaaaaaa",)
    assert report.error is not None
    assert "no answer" in report.error or "Could not connect" in report.error
    assert "unitTestsOnlySecret" not in report.error + caplog.text


def test_missing_credentials_are_said(s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    failed = put(FilesystemProvider(s3), {FILE: b"{}\n"})
    assert "credentials" in failed[FILE]


@pytest.mark.parametrize("at_once", [1_000, 2])
def test_erasing_history_leaves_no_version_of_what_is_gone(
    s3: str, store: Any, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", str(at_once))
    monkeypatch.setattr("atlas.vault.providers.s3_versions._AT_ONCE", at_once)
    store.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    provider = FilesystemProvider(s3)
    put(provider, {FILE: b"1\n", OTHER: b"1\n", PART: b"1", "notes/mine.txt": b"1"})
    for n in range(3):
        put(provider, {FILE: b"%d\n" % n, "notes/mine.txt": b"2"}, OTHER)
    monkeypatch.delenv("MOTO_S3_DEFAULT_MAX_KEYS")
    kept, marks = versions(store)
    assert (kept[FILE], kept[OTHER], marks) == (4, 1, 3)

    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", str(at_once))
    provider.erase_history()

    monkeypatch.delenv("MOTO_S3_DEFAULT_MAX_KEYS")
    assert versions(store) == ({FILE: 1, PART: 1, "notes/mine.txt": 4}, 0), "what is not the archive's is left alone"
    assert (provider.read(FILE), provider.read(PART)) == (b"2\n", b"1")


def test_of_other_clouds_it_is_said_that_history_is_the_buckets_matter(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    FilesystemProvider(memory_bucket(monkeypatch)).erase_history()
    assert "a bucket of oss:// may keep what was deleted" in caplog.text


def test_a_folder_is_written_beside_and_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = FilesystemProvider(tmp_path.as_uri())
    put(provider, {FILE: b"old\n"})
    fs = provider._open()[0]

    def broken(beside: str, target: str) -> None:
        assert Path(beside).read_bytes() == b"new\n", "wholly written before it is moved"
        assert Path(beside).parent == Path(target).parent
        assert Path(target).read_bytes() == b"old\n"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fs, "mv", broken)
    failed = put(provider, {FILE: b"new\n"})
    assert "No space left" in failed[FILE]
    assert provider.read(FILE) == b"old\n"
    assert [path.name for path in (tmp_path / FILE).parent.iterdir()] == ["aaaaaaaaaaa.json"]


def test_what_a_killed_process_left_in_a_folder_is_no_file_and_goes_in_time(tmp_path: Path) -> None:
    provider = FilesystemProvider(tmp_path.as_uri())
    put(provider, {FILE: b"{}\n"})
    old, young = ((tmp_path / FILE).with_name(name) for name in (".aaaaaaaaaaa.json.01.tmp", ".b.json.02.tmp"))
    old.write_text("half")
    young.write_text("half")
    os.utime(old, (0, 0))
    assert list(provider.list("")) == [ArchiveFile(FILE, 3)]
    provider.erase_history()
    assert sorted(path.name for path in old.parent.iterdir()) == [young.name, "aaaaaaaaaaa.json"]


def test_a_place_that_cannot_be_opened_is_an_error_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(MemoryFileSystem):  # type: ignore[misc]
        protocol = "closed"

        def __init__(self, **options: Any) -> None:
            raise ConnectionError(f"login as me with unitTestsPassword: {options}")

    register_implementation("closed", Closed, clobber=True)
    provider = FilesystemProvider("closed://me:unitTestsPassword@host/maia")
    provider.check()
    with pytest.raises(OSError, match="login as me") as caught:
        provider.read(FILE)
    assert "unitTestsPassword" not in str(caught.value)


def test_a_client_that_is_missing_is_a_config_error_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install gcsfs"):
        FilesystemProvider("gs://bucket/maia").read(FILE)
