"""The module ``atlas.vault`` and the settings that choose its provider."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from atlas import vault
from atlas.config import settings
from atlas.errors import ConfigError
from atlas.redaction import scrub
from atlas.vault.factory import provider_from_settings
from atlas.vault.providers import filesystem

from ..support.clock_settings import standing_at

TOKEN = SecretStr("hf_" + "unitTestsOnly" * 2)
VIDEO = "aaaaaaaaaaa"


def hub(dataset_id: str | None = "me/maia-archive", token: SecretStr | None = TOKEN) -> Any:
    return settings.override(vault_provider="huggingface", hf_dataset_id=dataset_id, hf_token=token)


def address(url: str | None) -> Any:
    return settings.override(vault_provider="fsspec", vault_url=url)


async def test_records_go_to_the_folder_of_the_settings_under_the_schedule_clocks_date(tmp_path: Path) -> None:
    spec = standing_at(datetime(2017, 11, 14, 23, 30, tzinfo=UTC))
    with settings.override(vault_provider="local", vault_path=tmp_path, atlas_clock=spec):
        vault.check()
        vault.store_metadata(VIDEO, {"id": VIDEO})
        assert (vault.pending(), vault.enabled, vault.flush_due) == (1, True, False)
        assert (await vault.flush()).stored == (VIDEO,)
        record = vault.load_metadata(VIDEO, date(2017, 11, 14))
    assert record is not None
    assert record["id"] == VIDEO
    assert record["_maia"]["observed_at"].startswith("2017-11-14")
    assert (tmp_path / "metadata" / "2017-11-14" / f"{VIDEO}.json").is_file()


async def test_the_layout_is_a_setting(tmp_path: Path) -> None:
    with settings.override(vault_provider="local", vault_path=tmp_path, vault_layout="packed"):
        vault.store_metadata(VIDEO, {"id": VIDEO})
        assert (await vault.flush()).stored == (VIDEO,)
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".zst"]


async def test_off_is_not_enabled() -> None:
    with settings.override(vault_provider="off"):
        vault.check()
        assert vault.enabled is False
        vault.store_metadata(VIDEO, {})
        assert await vault.flush() == vault.FlushReport()


async def test_other_settings_make_another_vault_and_say_what_is_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with settings.override(vault_provider="local", vault_path=tmp_path / "one"):
        vault.store_metadata(VIDEO, {})
        assert vault.pending() == 1
        with settings.override(vault_provider="local", vault_path=tmp_path / "two"):
            assert vault.pending() == 0
    assert "1 buffered records are left to a later run" in caplog.text
    assert list(tmp_path.iterdir()) == []


REFUSED: dict[str, tuple[Any, str]] = {
    "no dataset": (hub(dataset_id=None), r"^HF_DATASET_ID required .*set it to .*me/maia-archive"),
    "no token": (hub(token=None), r"^HF_TOKEN required .*write access to me/maia-archive"),
    "an empty token": (hub(token=SecretStr("")), r"^HF_TOKEN required .*write access to me/maia-archive"),
    **{
        f"the dataset {name}": (hub(dataset_id=name), r"^HF_DATASET_ID: .* is not the name of a dataset")
        for name in (
            "archive", "me/", "/archive", "a/b/c", "me/../x", "me/a--b", "-me/x", "me/x.git", "me/a b", "mé/x",
        )
    },
    **{
        f"the token {token!r}": (hub(token=SecretStr(token)), r"^HF_TOKEN: ")
        for token in ("hf_two words", "hf_line\nbreak", "hf_ümlaut")
    },
    "no address": (address(None), r"^VAULT_URL required .*s3://bucket/archive.*VAULT_PROVIDER to local or off"),
    **{
        f"the address {url}": (address(url), why)
        for url, why in (
            ("archive", "is no address such as s3://bucket/archive"),
            ("simplecache::s3://bucket/archive", "is no address"),
            ("s3://", "names no bucket or folder"),
            ("file:///", "names no bucket or folder"),
            ("https://bucket.example.com/archive", "AWS_ENDPOINT_URL_S3"),
            ("hf://datasets/me/archive", "set VAULT_PROVIDER to huggingface"),
            ("memory://archive", "gone when the process ends; use one such as file:///mnt/archive"),
            ("nonsense://me:unit-tests@host/archive", "fsspec knows no nonsense://"),
            ("me:unit-tests@host/x", "is no address such as s3://bucket/archive"),
            ("me:unit-tests@host", "is no address such as s3://bucket/archive"),
            ("s3:/me:unit-tests@host/x", "is no address such as s3://bucket/archive"),
            ("unit-tests", "is no address such as s3://bucket/archive"),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "why"), REFUSED.values(), ids=REFUSED)
def test_a_setting_that_names_no_archive_is_refused_without_its_secrets(wrong: Any, why: str) -> None:
    with wrong, pytest.raises(ConfigError, match=why) as caught:
        vault.check()
    assert caught.value.exit_code == 78
    assert not any(secret in str(caught.value) for secret in ("unit-tests", "two words", "break", "ümlaut"))


def test_the_first_use_says_it_too() -> None:
    with hub(dataset_id=None), pytest.raises(ConfigError, match=r"^HF_DATASET_ID required"):
        vault.store_metadata(VIDEO, {})


@pytest.mark.parametrize("dataset_id", ["me/maia-archive", "a/b", "Some_Org/data.set_1"])
def test_a_name_that_a_dataset_may_have_is_taken(dataset_id: str) -> None:
    with hub(dataset_id=dataset_id):
        vault.check()
        assert provider_from_settings().name == "huggingface"


def test_names_that_the_module_does_not_have_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sore_metadata'"):
        vault.sore_metadata  # type: ignore[attr-defined]  # noqa: B018


def test_importing_reads_nothing_and_loads_no_client(tmp_path: Path) -> None:
    script = (
        "import sys\nimport atlas.vault, atlas.notifier\n"
        "clients = {'huggingface_hub', 'apprise', 'tenacity', 'fsspec', 's3fs', 'zstandard'}\n"
        "assert not clients & set(sys.modules), clients & set(sys.modules)\n"
    )
    environment = {"VAULT_PROVIDER": "nonsense", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, cwd=tmp_path, env=environment)
    assert list(tmp_path.iterdir()) == []


def test_a_folders_address_is_as_safe_as_a_path(tmp_path: Path) -> None:
    (tmp_path / "metadata").symlink_to(tmp_path)
    with address(tmp_path.as_uri()):
        place = provider_from_settings()
    assert (place.name, type(place).__name__) == ("fsspec", "LocalProvider")
    with pytest.raises(ConfigError, match=r"VAULT_URL: '.*/metadata' is a symbolic link, and below VAULT_URL none"):
        place.check()


@pytest.mark.parametrize(
    ("url", "package", "install"),
    [("s3://bucket/archive", "s3fs", 'pip install "pleiades-maia[s3]"'), ("gs://b/a", "gcsfs", "pip install gcsfs")],
)
def test_a_client_that_is_not_installed_is_named(
    url: str, package: str, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "find_spec", {package: None}.__getitem__)
    with address(url), pytest.raises(ConfigError) as caught:
        vault.check()
    assert install in str(caught.value)


def test_a_password_in_an_address_is_hidden_in_both_forms() -> None:
    with address("nonsense://me:unit%2Ftests@host/archive"), pytest.raises(ConfigError):
        vault.check()
    assert scrub("unit%2Ftests, unit/tests") == "***, ***"


@pytest.mark.parametrize(("given", "provider"), [(None, "off"), ("", "off"), ("local", "local")])
def test_in_the_image_nothing_is_archived_by_default(
    monkeypatch: pytest.MonkeyPatch, given: str | None, provider: str
) -> None:
    monkeypatch.setenv("ATLAS_VAULT_DEFAULT", "off")
    if given is not None:
        monkeypatch.setenv("VAULT_PROVIDER", given)
    settings.reload()
    assert settings.vault_provider == provider
