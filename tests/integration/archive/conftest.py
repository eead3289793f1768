"""Archives in every kind of place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from atlas.config import settings
from atlas.vault.factory import provider_from_settings

from ...support.clock_settings import standing_at
from ...support.fake_hf_hub import DATASET, running_hub
from ...support.memory_bucket import memory_bucket

if TYPE_CHECKING:
    from atlas.vault.providers.base import Provider

    from ...support.fake_hf_hub import Hub

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""What the schedule clock shows in these tests, and nearly stands still at."""


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_CLOCK", standing_at(NOW))
    settings.reload()


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A running Hub with one empty dataset, me/maia-archive."""
    with running_hub() as hub:
        yield hub


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """A folder as the archive, for this process and its children."""
    monkeypatch.setenv("VAULT_PATH", str(tmp_path / "vault"))
    settings.reload()
    return provider_from_settings()


@pytest.fixture(params=["local", "file", "memory", "huggingface"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """The archive in each kind of place."""
    kind = request.param
    if kind == "local":
        monkeypatch.setenv("VAULT_PATH", str(tmp_path / "vault"))
    elif kind == "huggingface":
        hub = request.getfixturevalue("hub")
        monkeypatch.setenv("VAULT_PROVIDER", "huggingface")
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        # what the library made of HF_ENDPOINT when this process began
        template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.endpoint)
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setenv("HF_DATASET_ID", DATASET)
        monkeypatch.setenv("HF_TOKEN", hub.token)
    else:
        monkeypatch.setenv("VAULT_PROVIDER", "fsspec")
        url = memory_bucket(monkeypatch) if kind == "memory" else (tmp_path / "vault").as_uri()
        monkeypatch.setenv("VAULT_URL", url)
    settings.reload()
    return provider_from_settings()
