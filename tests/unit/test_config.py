"""The settings: what the environment may say, what they make of it, and that no secret comes out of them again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from atlas.config import Settings, settings
from atlas.errors import ConfigError

from ..support.fake_secrets import HF_TOKEN as SECRET


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings.reload()


@pytest.mark.parametrize("empty", ["", "   ", '""', "''", '" "'])
def test_empty_means_unset_for_every_setting(monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    defaults = {name: getattr(settings, name) for name in Settings.model_fields}
    given(monkeypatch, **dict.fromkeys(map(str.upper, defaults), empty))
    assert {name: getattr(settings, name) for name in defaults} == defaults
    settings.check()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("'en'", "en"), ('"en"', "en"), (' "en" ', "en"), ("\"'en'\"", "'en'"), ("say 'en'", "say 'en'"),
        ("rock 'n' roll", "rock 'n' roll"), ("it's", "it's"),
    ],
)  # fmt: skip
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
    assert (settings.hunter_language, settings.tracker_batch_size, settings.hunter_region) == ("de", 9, "CH")


MALFORMED = {
    "DATABASE_URL": {
        f"mysql://user:{SECRET}@host/database": "postgresql://",
        f"postgresql://user:{SECRET}@host": "names no database",
    },
    "DATABASE_POOL_SIZE": {"0": "greater than or equal to 1"},
    "DATABASE_SCHEMA": {
        "Mine": "pattern", "mine; DROP TABLE videos": "pattern", "x" * 64: "pattern", "pg_mine": "PostgreSQL's own",
        "information_schema": "PostgreSQL's own",
    },
    "HUNTER_BATCH_SIZE": {"many": "integer"},
    "HUNTER_PUBLISHED_WITHIN_HOURS": {"0": "greater than 0"},
    "VAULT_PROVIDER": {"s3": "'local', 'huggingface', 'fsspec' or 'off'"},
    "VAULT_LAYOUT": {"zip": "'files' or 'packed'"},
    "HF_DATASET_PRIVATE": {"perhaps": "boolean"},
    "RETENTION_STATISTICS_DAYS": {"31": "YOUTUBE_AUDITED=true"},
    "RETENTION_METADATA_DAYS": {"31": "less than or equal to 30"},
    "NOTIFY_URLS": {f"no_such_event=json://{SECRET}": "entry 1"},
    "NOTIFY_LEVEL": {"loud": "'info', 'warning' or 'error'"},
    "HUNTER_SAFE_SEARCH": {"yes": "'none', 'moderate' or 'strict'"},
    "HUNTER_REGION": {
        "Germany": "ISO 3166-1", "UK": "write GB", "uk": "write GB", "EL": "write GR", "XX": "ISO 3166-1",
        "USA": "ISO 3166-1",
    },
    "HUNTER_LANGUAGE": {
        "english": "write en", "German": "write de", "deutsch": "write de", "hindi": "write hi", "en-US": "write en",
        "pt_BR": "write pt", "zh-CN": "write zh-Hans", "zh_TW": "write zh-Hant", "eng": "ISO 639-1", "xx": "ISO 639-1",
        "C": "ISO 639-1",
    },
    "HUNTER_TAG_ALLOW": {"(open": "not a regular expression"},
    "HUNTER_TAG_DENY": {"*": "not a regular expression"},
    "YOUTUBE_API_BASE_URL": {"localhost:8080": "http://"},
    "PREFECT_API_URL": {"prefect": "http://"},
    "ATLAS_CLOCK": {
        "fast": "not a clock", "2x@yesterday": "ISO 8601", "2x@0001-01-01T00:00:00+05:00": "ISO 8601",
        "99999999999999x": "calendar",
    },
    "MAIA_RUN_ID": {"1" * 201: "at most 200 characters"},
    "MAIA_RUN_URL": {"github.com/me": "http://"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [(name, value, problem) for name, values in MALFORMED.items() for value, problem in values.items()],
)
def test_a_malformed_value_fails_where_it_is_used_and_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    given(monkeypatch, TRACKER_BATCH_SIZE="7", **{name: value})
    assert settings.tracker_batch_size == 7
    with pytest.raises(ConfigError) as caught:
        getattr(settings, name.lower())
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert problem in message
    assert "docs/configuration.md" in message
    assert ("unset it" in message) == (name != "DATABASE_URL"), "without it another database is used"
    assert SECRET not in message


@pytest.mark.parametrize(
    ("name", "written", "meant"),
    [
        ("HUNTER_REGION", "US", "US"), ("HUNTER_REGION", "de", "DE"), ("HUNTER_REGION", "Gb", "GB"),
        ("HUNTER_LANGUAGE", "en", "en"), ("HUNTER_LANGUAGE", "DE", "de"), ("HUNTER_LANGUAGE", "zh", "zh"),
        ("HUNTER_LANGUAGE", "zh-hans", "zh-Hans"), ("HUNTER_LANGUAGE", "zh_Hant", "zh-Hant"),
        ("HUNTER_LANGUAGE", "iw", "iw"),
        *(("DATABASE_SCHEMA", name, name) for name in ("public", "_2", "order", "pgmine", "x" * 63)),
    ],
)  # fmt: skip
def test_a_code_is_written_as_youtube_does_and_a_schema_as_it_is(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str, meant: str
) -> None:
    given(monkeypatch, **{name: written})
    assert getattr(settings, name.lower()) == meant


def test_only_an_audited_client_keeps_statistics_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, RETENTION_STATISTICS_DAYS="1096", YOUTUBE_AUDITED="true")
    assert settings.retention_statistics_days == 1096
    settings.check()


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("KEY_POOL_TRACKING_SIZE", lambda: settings.key_rings),
        ("KEY_POOL_ARCHEOLOGY_SIZE", lambda: settings.key_rings),
        ("QUOTA_SEARCH_PER_DAY", lambda: settings.quota_per_day("search")),
    ],
)
def test_a_value_made_of_several_settings_fails_for_a_wrong_one(
    monkeypatch: pytest.MonkeyPatch, name: str, use: Any
) -> None:
    given(monkeypatch, **{name: "x", "YOUTUBE_API_KEY_POOL_JSON": '["a", "b", "c"]'})
    with pytest.raises(ConfigError, match=name):
        use()
    with pytest.raises(ConfigError) as caught:
        settings.check()
    assert str(caught.value).count(name) == 1


def test_the_quota_is_per_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, QUOTA_UNITS_PER_DAY="7")
    assert [settings.quota_per_day(bucket) for bucket in ("search", "units", "batchGetStats")] == [100, 7, 10_000]


@pytest.mark.parametrize("home", [{}, {"HOME": "/nowhere"}])
def test_importing_never_fails_whatever_the_environment_says(tmp_path: Path, home: dict[str, str]) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00broken")
    hostile = {
        "DATABASE_URL": "nonsense", "YOUTUBE_API_KEY_POOL_JSON": "{", "ATLAS_CLOCK": "broken",
        "VAULT_PROVIDER": "\udcff", "HUNTER_BATCH_SIZE": "x", "PREFECT_API_URL": ":::",
    }  # fmt: skip
    modules = "atlas.config, atlas.clock, atlas.database, atlas.keyring, atlas.events, atlas.adapters.maia"
    command = [sys.executable, "-W", "error", "-c", f"import {modules}; print('ok')"]
    done = subprocess.run(command, env=hostile | home, cwd=tmp_path, capture_output=True, text=True, check=False)
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
    shown = [f"{each!r} {each}" for each in (settings, loaded, settings.key_rings)] + [loaded.model_dump_json()]
    assert [text for text in shown if SECRET in text] == []


def test_override_applies_inside_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, HUNTER_BATCH_SIZE="many", HUNTER_LANGUAGE="de", HUNTER_TAG_ALLOW="''music''")
    with pytest.raises(RuntimeError), settings.override(hunter_batch_size=3, hunter_region="US"):
        assert (settings.hunter_batch_size, settings.hunter_region, settings.hunter_language) == (3, "US", "de")
        assert settings.hunter_tag_allow == "'music'"
        settings.check()
        with settings.override(hunter_region=None):
            assert (settings.hunter_batch_size, settings.hunter_region) == (3, None)
        assert settings.hunter_region == "US"
        raise RuntimeError
    assert settings.hunter_region is None
    with pytest.raises(ConfigError, match="HUNTER_BATCH_SIZE"):
        _ = settings.hunter_batch_size


def test_a_name_that_is_no_setting_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError), settings.override(no_such_setting=1):
        pass
    with pytest.raises(AttributeError):
        _ = settings.databse_url  # type: ignore[attr-defined]


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
