"""Names that look like settings and are none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from atlas.config import Settings, settings
from atlas.config.similar_names import similar_settings

from ..conftest import CHECKOUT

KNOWN = {name.upper() for name in Settings.model_fields}
POOL = "YOUTUBE_API_KEY_POOL_JSON"

MEANT = {
    "HUNTER_BATCH_SIZE": "HUNTER_BATCHSIZE hunter_batchsize",
    "HUNTER_REGION": "HUNTER_REGIONS HUTNER_REGION",
    "TRACKER_BATCH_SIZE": "TRACKER_BATCH",
    "JANITOR_BATCH_SIZE": "JANITOR_BATCHSIZE",
    "KEY_POOL_TRACKING_SIZE": "KEY_POOL_TRACKING",
    "RETENTION_STATISTICS_DAYS": "RETENTION_STATISTIC_DAYS",
    "QUOTA_SEARCH_PER_DAY": "QUOTA_SEARCHES_PER_DAY",
    "NOTIFY_URLS": "NOTIFY_URL",
    "VAULT_PROVIDER": "VAULT_PROVIDERS",
    "HF_DATASET_ID": "HF_DATASET",
    "DATABASE_URL": "DATABASE_URI DATABSE_URL DB_URL POSTGRES_URL PGURL MAIA_DATABASE_URL NEON_DATABASE_URL "
    "TIMESCALE_SERVICE_URL SUPABASE_DB_URL DATABASE_PUBLIC_URL",
    "ATLAS_EMBEDDED_PATH": "ATLAS_EMBEDED_PATH",
    "MAIA_RESULT_FILE": "MAIA_RESULTFILE",
    POOL: "YOUTUBE_API_KEY YOUTUBE_API_KEYS YOUTUBE_API_KEY_POOL YOUTUBE_DATA_API_KEY YT_API_KEY YOUTUBE_KEY",
}
MISSPELT = [(name, meant) for meant, names in MEANT.items() for name in names.split()]


@pytest.mark.parametrize(("name", "meant"), MISSPELT)
def test_a_misspelt_name_is_named_with_the_nearest(name: str, meant: str) -> None:
    assert similar_settings([name], KNOWN, ()) == {name: meant}


def test_a_name_with_a_prefix_of_maia_needs_no_similar_setting() -> None:
    assert similar_settings(["TRACKER_X"], KNOWN, ()) == {"TRACKER_X": None}


@pytest.mark.parametrize(
    "name",
    [
        "VAULT_ADDR", "VAULT_TOKEN", "VAULT_NAMESPACE", "NOTIFY_SOCKET", "DATABASE_HOST", "DATABASE_PASSWORD",
        "HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_DATASETS_CACHE", "PREFECT_HOME", "PREFECT_PROFILE",
        "PREFECT_SERVER_ANALYTICS_ENABLED", "ATLAS_URI", "YOUTUBE_CHANNEL_ID", "GOOGLE_API_KEY", "QUOTA_PROJECT",
        "PATH", "HOME", "LANG", "PGHOST", "MIGRATE_DATABASE_URL", "GITHUB_RUN_ID", "AWS_ACCESS_KEY_ID",
    ],
)  # fmt: skip
def test_names_of_other_tools_are_left_alone(name: str) -> None:
    assert similar_settings([name], KNOWN, ()) == {}


def test_a_set_setting_is_not_suggested() -> None:
    assert similar_settings(["DATABASE_URI", "YOUTUBE_API_KEY"], KNOWN, {"DATABASE_URL", POOL}) == {}
    assert similar_settings(["HUNTER_BATCHSIZE"], KNOWN, {"HUNTER_BATCH_SIZE"}) == {
        "HUNTER_BATCHSIZE": "HUNTER_BATCH_SIZE"
    }


def test_no_name_that_our_own_action_image_and_tests_set_looks_like_one() -> None:
    """Seen to catch: MAIA_ among the beginnings that are only ours."""
    files = [CHECKOUT / "action.yml", CHECKOUT / "Dockerfile", CHECKOUT / "Makefile"]
    files += [*CHECKOUT.glob(".github/**/*.yml"), *CHECKOUT.glob("container/*"), *CHECKOUT.glob("tests/**/*.py")]
    if not files[0].exists():
        pytest.skip("the checkout's own files are not there")
    text = "\n".join(
        file.read_text(errors="replace") for file in files if file.is_file() and "similar_names" not in file.name
    )
    # as an environment sets them: NAME: of YAML, NAME= of shells and Dockerfiles, "NAME": and setenv of tests
    found = (
        set(re.findall(r"\b((?:MAIA|ATLAS|HF|PREFECT|DATABASE|VAULT|MIGRATE|YOUTUBE)_[A-Z_]*[A-Z])\b", text)) - KNOWN
    )
    assert {"MAIA_SHARED", "MAIA_INPUT_COMMAND", "MAIA_TEST_DATABASE_URL", "ATLAS_VAULT_DEFAULT"} <= found
    unmeant = {name for name, _ in MISSPELT} | {"MAIA_RUN", "HF_DATASET"}
    assert similar_settings(sorted(found - unmeant), KNOWN, {"DATABASE_URL", POOL}) == {}


def test_the_environment_and_the_file_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUNTER_BATCHSIZE", "5")
    monkeypatch.setenv("TRACKER_BATCHSIZE", "")
    monkeypatch.setenv("YOUTUBE_API_KEYS", "x")
    Path(".env").write_text("HUNTER_REGOIN=DE\nYT_API_KEY=x\nYOUTUBE_KEY=\n")
    settings.reload()
    assert settings.warnings == [
        "HUNTER_BATCHSIZE is set and is not a setting of Maia: did you mean HUNTER_BATCH_SIZE?",
        "HUNTER_REGOIN is set and is not a setting of Maia: did you mean HUNTER_REGION?",
        f"YOUTUBE_API_KEYS is set and is not a setting of Maia: did you mean {POOL}?",
        f"YT_API_KEY is set and is not a setting of Maia: did you mean {POOL}?",
    ]
    assert settings.stray_keys == ["YOUTUBE_API_KEYS", "YT_API_KEY"]
