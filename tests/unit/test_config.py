"""The settings: what the environment may say, what is made of it, and that nothing secret comes out again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from atlas.config import Settings, settings
from atlas.errors import ConfigError

from ..support.fake_secrets import HF_TOKEN

SECRET = HF_TOKEN


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings.reload()


@pytest.mark.parametrize("empty", ["", "   ", '""', "''", '" "'])
@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_empty_means_unset_for_every_setting(monkeypatch: pytest.MonkeyPatch, name: str, empty: str) -> None:
    default = getattr(settings, name)
    given(monkeypatch, **{name.upper(): empty})
    assert getattr(settings, name) == default
    settings.check()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("'en'", "en"),
        ('"en"', "en"),
        (' "en" ', "en"),
        ("\"'en'\"", "'en'"),
        ("say 'en'", "say 'en'"),
        ("rock 'n' roll", "rock 'n' roll"),
        ("it's", "it's"),
    ],
)
def test_one_pair_of_surrounding_quotes_is_stripped(monkeypatch: pytest.MonkeyPatch, written: str, meant: str) -> None:
    given(monkeypatch, HUNTER_TAG_ALLOW=written)
    assert settings.hunter_tag_allow == meant


@pytest.mark.parametrize("written", ["'en", 'en"', "'en\"", '"', "'it's'ok", "“en”", "«en»"])
def test_quotes_that_do_not_match_are_refused(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    given(monkeypatch, HUNTER_TAG_ALLOW=written, HF_TOKEN=f"'{SECRET}")
    with pytest.raises(ConfigError, match=r"HF_TOKEN: its quotes do not match.*HUNTER_TAG_ALLOW: .* quotes") as caught:
        settings.check()
    assert SECRET not in str(caught.value)


def test_the_env_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("HUNTER_LANGUAGE=de\nHUNTER_REGION='CH'\nTRACKER_BATCH_SIZE=7\nUNKNOWN=x\n")
    given(monkeypatch, TRACKER_BATCH_SIZE="9", HUNTER_REGION="")
    assert settings.hunter_language == "de"
    assert settings.tracker_batch_size == 9
    assert settings.hunter_region == "CH"


MALFORMED = [
    ("DATABASE_URL", f"mysql://user:{SECRET}@host/database", "postgresql://"),
    ("DATABASE_URL", f"postgresql://user:{SECRET}@host", "names no database"),
    ("DATABASE_POOL_SIZE", "0", "greater than or equal to 1"),
    ("DATABASE_SCHEMA", "Mine", "pattern"),
    ("DATABASE_SCHEMA", "mine; DROP TABLE videos", "pattern"),
    ("DATABASE_SCHEMA", "x" * 64, "pattern"),
    ("DATABASE_SCHEMA", "pg_mine", "PostgreSQL's own"),
    ("DATABASE_SCHEMA", "information_schema", "PostgreSQL's own"),
    ("HUNTER_BATCH_SIZE", "many", "integer"),
    ("HUNTER_PUBLISHED_WITHIN_HOURS", "0", "greater than 0"),
    ("VAULT_PROVIDER", "s3", "'local', 'huggingface', 'fsspec' or 'off'"),
    ("VAULT_LAYOUT", "zip", "'files' or 'packed'"),
    ("HF_DATASET_PRIVATE", "perhaps", "boolean"),
    ("RETENTION_STATISTICS_DAYS", "31", "YOUTUBE_AUDITED=true"),
    ("RETENTION_METADATA_DAYS", "31", "less than or equal to 30"),
    ("NOTIFY_URLS", f"no_such_event=json://{SECRET}", "entry 1"),
    ("NOTIFY_LEVEL", "loud", "'info', 'warning' or 'error'"),
    ("HUNTER_SAFE_SEARCH", "yes", "'none', 'moderate' or 'strict'"),
    ("HUNTER_REGION", "Germany", "ISO 3166-1"),
    ("HUNTER_REGION", "UK", "write GB"),
    ("HUNTER_REGION", "uk", "write GB"),
    ("HUNTER_REGION", "EL", "write GR"),
    ("HUNTER_REGION", "XX", "ISO 3166-1"),
    ("HUNTER_REGION", "USA", "ISO 3166-1"),
    ("HUNTER_LANGUAGE", "english", "write en"),
    ("HUNTER_LANGUAGE", "German", "write de"),
    ("HUNTER_LANGUAGE", "deutsch", "write de"),
    ("HUNTER_LANGUAGE", "hindi", "write hi"),
    ("HUNTER_LANGUAGE", "en-US", "write en"),
    ("HUNTER_LANGUAGE", "pt_BR", "write pt"),
    ("HUNTER_LANGUAGE", "zh-CN", "write zh-Hans"),
    ("HUNTER_LANGUAGE", "zh_TW", "write zh-Hant"),
    ("HUNTER_LANGUAGE", "eng", "ISO 639-1"),
    ("HUNTER_LANGUAGE", "xx", "ISO 639-1"),
    ("HUNTER_LANGUAGE", "C", "ISO 639-1"),
    ("HUNTER_TAG_ALLOW", "(open", "not a regular expression"),
    ("HUNTER_TAG_DENY", "*", "not a regular expression"),
    ("YOUTUBE_API_BASE_URL", "localhost:8080", "http://"),
    ("PREFECT_API_URL", "prefect", "http://"),
    ("ATLAS_CLOCK", "fast", "not a clock"),
    ("ATLAS_CLOCK", "2x@yesterday", "ISO 8601"),
    ("ATLAS_CLOCK", "2x@0001-01-01T00:00:00+05:00", "ISO 8601"),
    ("ATLAS_CLOCK", "99999999999999x", "calendar"),
    ("MAIA_RUN_ID", "1" * 201, "at most 200 characters"),
]


@pytest.mark.parametrize(("name", "value", "problem"), MALFORMED)
def test_a_malformed_value_fails_where_it_is_used_and_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    given(monkeypatch, **{"TRACKER_BATCH_SIZE": "7", name: value})
    assert name == "TRACKER_BATCH_SIZE" or settings.tracker_batch_size == 7
    with pytest.raises(ConfigError) as caught:
        getattr(settings, name.lower())
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert problem in message
    assert "docs/configuration.md" in message
    assert ("unset it" in message) == (name != "DATABASE_URL"), "without it another database is used"
    assert SECRET not in message


@pytest.mark.parametrize(
    ("written", "region"), [("US", "US"), ("de", "DE"), ("Gb", "GB"), ("ZW", "ZW")], ids=lambda text: text
)
def test_a_region_is_a_code_in_upper_case(monkeypatch: pytest.MonkeyPatch, written: str, region: str) -> None:
    given(monkeypatch, HUNTER_REGION=written)
    assert settings.hunter_region == region


@pytest.mark.parametrize(
    ("written", "language"),
    [("en", "en"), ("DE", "de"), ("zh", "zh"), ("zh-hans", "zh-Hans"), ("zh_Hant", "zh-Hant"), ("iw", "iw")],
)
def test_a_language_is_a_code_as_youtube_writes_it(
    monkeypatch: pytest.MonkeyPatch, written: str, language: str
) -> None:
    given(monkeypatch, HUNTER_LANGUAGE=written)
    assert settings.hunter_language == language


def test_statistics_are_kept_longer_by_an_audited_client_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, RETENTION_STATISTICS_DAYS="1096", YOUTUBE_AUDITED="true")
    assert settings.retention_statistics_days == 1096
    settings.check()


@pytest.mark.parametrize("name", ["public", "maia", "_2", "order", "pgmine", "x" * 63])
def test_a_schema_may_have_any_plain_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    given(monkeypatch, DATABASE_SCHEMA=name)
    assert settings.database_schema == name


def test_check_names_a_setting_that_the_rings_are_made_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, KEY_POOL_TRACKING_SIZE="x", YOUTUBE_API_KEY_POOL_JSON='["a", "b", "c"]')
    with pytest.raises(ConfigError) as caught:
        settings.check()
    assert str(caught.value).count("KEY_POOL_TRACKING_SIZE") == 1


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("KEY_POOL_TRACKING_SIZE", lambda: settings.key_rings),
        ("KEY_POOL_ARCHEOLOGY_SIZE", lambda: settings.key_rings),
        ("QUOTA_SEARCH_PER_DAY", lambda: settings.quota_per_day("search")),
    ],
)
def test_what_is_made_of_several_settings_fails_for_a_wrong_one(
    monkeypatch: pytest.MonkeyPatch, name: str, use: Any
) -> None:
    given(monkeypatch, **{name: "x", "YOUTUBE_API_KEY_POOL_JSON": '["a", "b", "c"]'})
    with pytest.raises(ConfigError, match=name):
        use()


def test_the_quota_that_is_reckoned_with_is_per_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, QUOTA_UNITS_PER_DAY="7")
    assert [settings.quota_per_day(bucket) for bucket in ("search", "units", "batchGetStats")] == [100, 7, 10_000]


HOSTILE = {
    "DATABASE_URL": "nonsense",
    "YOUTUBE_API_KEY_POOL_JSON": "{",
    "ATLAS_CLOCK": "broken",
    "VAULT_PROVIDER": "\udcff",
    "HUNTER_BATCH_SIZE": "x",
    "PREFECT_API_URL": ":::",
    "TRACKER_LEASE_SECONDS": "\udcff\udcfe",
}


@pytest.mark.parametrize("home", [{}, {"HOME": "/nowhere"}])
def test_importing_never_fails_whatever_the_environment_says(tmp_path: Path, home: dict[str, str]) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00broken")
    modules = "atlas.config, atlas.clock, atlas.database, atlas.keyring, atlas.events, atlas.adapters.maia"
    code = f"import {modules}; print('ok')"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**HOSTILE, **home},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def test_a_user_without_a_home_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    settings.reload()
    settings.check()
    assert settings.vault_path.name == "vault"


def test_secrets_are_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given(
        monkeypatch,
        DATABASE_URL=f"postgresql://user:{SECRET}@host/database",
        YOUTUBE_API_KEY_POOL_JSON=f'["{SECRET}"]',
        HF_TOKEN=SECRET,
        NOTIFY_URLS=f"discord://{SECRET}/x",
        PREFECT_API_KEY=SECRET,
    )
    loaded = settings._load()  # type: ignore[attr-defined]
    for text in (
        repr(settings),
        str(settings),
        repr(loaded),
        str(loaded),
        repr(settings.key_rings),
        loaded.model_dump_json(),
    ):
        assert SECRET not in text


def test_override_holds_inside_and_nothing_stays_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, HUNTER_BATCH_SIZE="many", HUNTER_LANGUAGE="de", HUNTER_TAG_ALLOW="''music''")
    with settings.override(hunter_batch_size=3, hunter_region="US"):
        assert (settings.hunter_batch_size, settings.hunter_region, settings.hunter_language) == (3, "US", "de")
        assert settings.hunter_tag_allow == "'music'"
        settings.check()
        with settings.override(hunter_region=None):
            assert settings.hunter_region is None
            assert settings.hunter_batch_size == 3
        assert settings.hunter_region == "US"
    assert settings.hunter_region is None
    with pytest.raises(ConfigError, match="HUNTER_BATCH_SIZE"):
        _ = settings.hunter_batch_size


def test_override_ends_with_an_error_inside() -> None:
    with pytest.raises(RuntimeError), settings.override(hunter_region="US"):
        raise RuntimeError
    assert settings.hunter_region is None


def test_override_refuses_what_the_environment_may_not_say_either() -> None:
    with (
        pytest.raises(ConfigError, match=r"^DATABASE_URL: ") as caught,
        settings.override(database_url=f"mysql://user:{SECRET}@host"),
    ):
        pass
    assert SECRET not in str(caught.value)
    with pytest.raises(AttributeError), settings.override(no_such_setting=1):
        pass


def test_unset_the_embedded_database_and_a_local_vault_in_the_users_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given(monkeypatch, XDG_DATA_HOME=str(tmp_path))
    assert settings.database_url is None
    assert settings.atlas_embedded_path == tmp_path / "pleiades" / "postgres"
    assert (settings.vault_provider, settings.vault_path) == ("local", tmp_path / "pleiades" / "vault")
    monkeypatch.delenv("XDG_DATA_HOME")
    given(monkeypatch, HOME=str(tmp_path))
    assert settings.atlas_embedded_path == tmp_path / ".local" / "share" / "pleiades" / "postgres"


def test_there_is_no_setting_of_a_wrong_name() -> None:
    with pytest.raises(AttributeError):
        _ = settings.databse_url  # type: ignore[attr-defined]
