"""The Hugging Face provider, with the real huggingface_hub client, against a local server that speaks its protocol."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import huggingface_hub
import pytest
import tenacity
from pydantic import SecretStr

from atlas import vault
from atlas.config import settings
from atlas.vault import Vault
from atlas.vault.huggingface import TRIES, HuggingFaceProvider

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

DATASET = "me/maia-archive"
DAY = "2026-11-22"


def a_vault(hub: Any, *, token: str | None = None, flush_seconds: float = 30.0) -> Vault:
    provider = HuggingFaceProvider(
        DATASET, SecretStr(token or hub.token), endpoint=hub.endpoint, wait=tenacity.wait_none()
    )
    return Vault(provider, now=lambda: datetime(2026, 11, 22, 8, tzinfo=UTC), flush_seconds=flush_seconds)


async def test_a_flush_of_many_records_is_one_commit(hub: Any) -> None:
    # more than the client asks about in one preupload request
    store = a_vault(hub)
    ids = tuple(f"video{n:06d}" for n in range(300))
    for video_id in ids:
        store.store_metadata(video_id, {"id": video_id})

    report = await store.flush()

    assert report == vault.FlushReport(stored=ids)
    assert len(hub.commits) == 1
    assert json.loads(hub.commits[0][f"metadata/{DAY}/video000007.json"]) == {"id": "video000007"}
    assert len(hub.files) == 300


async def test_a_flush_of_nothing_does_not_ask_the_hub(hub: Any) -> None:
    assert await a_vault(hub).flush() == vault.FlushReport()
    assert hub.requests == []


@pytest.mark.parametrize("status", [412, 429, 500, 503])
async def test_a_commit_that_collides_or_meets_a_busy_hub_is_tried_again(hub: Any, status: int) -> None:
    hub.faults["commit"] = [status, status]
    store = a_vault(hub)
    store.store_metadata("abcdefghijk", {})

    assert (await store.flush()).stored == ("abcdefghijk",)
    assert hub.calls("commit") == 3
    assert len(hub.commits) == 1


async def test_a_cut_connection_is_tried_again(hub: Any) -> None:
    hub.faults["commit"] = ["cut"]
    store = a_vault(hub)
    store.store_metadata("abcdefghijk", {})

    assert (await store.flush()).stored == ("abcdefghijk",)


async def test_a_commit_whose_answer_was_lost_is_not_made_twice(hub: Any) -> None:
    hub.faults["commit"] = ["lost"]
    store = a_vault(hub)
    store.store_metadata("abcdefghijk", {})

    assert (await store.flush()).stored == ("abcdefghijk",)
    assert len(hub.commits) == 1


async def test_tries_are_bounded_and_the_failure_is_reported_and_not_raised(
    hub: Any, caplog: pytest.LogCaptureFixture
) -> None:
    hub.faults["commit"] = [503] * 20
    store = a_vault(hub)
    store.store_metadata("abcdefghijk", {})
    store.store_metadata("ABCDEFGHIJK", {})

    report = await store.flush()

    assert hub.calls("commit") == TRIES
    assert report.stored == ()
    assert report.failed == ("abcdefghijk", "ABCDEFGHIJK")
    assert report.error is not None
    assert report.error.startswith("2 of 2 videos were not archived (huggingface): ")
    assert "503" in report.error
    assert "\n" not in report.error
    assert store.pending() == 0
    assert [r.levelno for r in caplog.records if r.name.startswith("atlas")] == [logging.WARNING]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
async def test_what_would_come_back_the_same_is_not_tried_again(hub: Any, status: int) -> None:
    hub.faults["commit"] = [status] * 5
    store = a_vault(hub)
    store.store_metadata("abcdefghijk", {})

    report = await store.flush()

    assert report.failed == ("abcdefghijk",)
    assert hub.calls("commit") == 1


async def test_a_rejected_token_says_what_to_check_and_is_shown_nowhere(
    hub: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # not of the shape that the scrubber would know by sight: only its value gives it away
    secret = "rejectedSecretWithoutPrefix"
    caplog.set_level(logging.DEBUG)
    store = a_vault(hub, token=secret)
    store.store_metadata("abcdefghijk", {})

    report = await store.flush()

    assert report.error is not None
    assert "HF_DATASET_ID" in report.error
    assert "HF_TOKEN" in report.error
    assert "Invalid credentials" in report.error  # the server's own text, which repeats the token, is passed on …
    assert secret not in report.error  # … without it
    assert secret not in caplog.text
    assert secret not in repr(store.provider.__dict__)


async def test_a_hub_that_hangs_is_left_behind_when_the_time_is_up(hub: Any) -> None:
    hub.faults["commit"] = ["hang"]
    store = a_vault(hub, flush_seconds=0.3)
    store.store_metadata("abcdefghijk", {})

    async with asyncio.timeout(10):
        report = await store.flush()

    assert report.failed == ("abcdefghijk",)
    assert report.error is not None
    assert "no answer within 0.3 s" in report.error
    hub.over.set()
    for thread in threading.enumerate():  # it ends by itself once the connection does
        if thread.name == "vault-flush":
            thread.join(10)
            assert not thread.is_alive()


async def test_a_hub_that_is_not_there_is_reported(hub: Any) -> None:
    provider = HuggingFaceProvider(
        DATASET, SecretStr(hub.token), endpoint="http://127.0.0.1:9", wait=tenacity.wait_none()
    )
    store = Vault(provider, flush_seconds=0.5)
    store.store_metadata("abcdefghijk", {})

    assert (await store.flush()).failed == ("abcdefghijk",)


async def test_what_the_datasets_gitignore_leaves_out_is_not_called_stored(hub: Any) -> None:
    hub.ignored = {f"metadata/{DAY}/abcdefghijk.json"}
    store = a_vault(hub)
    store.store_metadata("abcdefghijk", {})
    store.store_metadata("ABCDEFGHIJK", {})

    report = await store.flush()

    assert report.stored == ("ABCDEFGHIJK",)
    assert report.failed == ("abcdefghijk",)
    assert report.error is not None
    assert ".gitignore" in report.error


async def test_requests_carry_no_telemetry(hub: Any) -> None:
    store = a_vault(hub)
    store.store_metadata("abcdefghijk", {})
    await store.flush()

    assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY is True
    assert all("torch" not in agent for agent in hub.agents)


def test_the_settings_and_hf_endpoint_are_enough(hub: Any, tmp_path: Path) -> None:
    """A process of its own, as HF_ENDPOINT is read when the library is imported."""
    script = (
        "import asyncio, sys\n"
        "from atlas import vault\n"
        "vault.check(); vault.store_metadata('abcdefghijk', {'id': 'abcdefghijk'})\n"
        "assert 'huggingface_hub' not in sys.modules\n"
        "report = asyncio.run(vault.flush())\n"
        "print(report.stored, report.error)\n"
    )
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "VAULT_PROVIDER": "huggingface",
        "HF_DATASET_ID": DATASET,
        "HF_TOKEN": hub.token,
        "HF_ENDPOINT": hub.endpoint,
        "ATLAS_CLOCK": "1x@2026-11-22T08:00:00Z=2017-11-14T23:30:00Z",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "('abcdefghijk',) None\n", done.stderr
    assert done.stderr == ""
    (path,) = hub.files
    assert path.startswith("metadata/20")
    assert path.endswith("/abcdefghijk.json")


def test_a_hanging_flush_does_not_keep_the_process_alive(hub: Any, tmp_path: Path) -> None:
    hub.faults["commit"] = ["hang"] * 5
    script = (
        "import asyncio, os\n"
        "from pydantic import SecretStr\n"
        "from atlas.vault import Vault\n"
        "from atlas.vault.huggingface import HuggingFaceProvider\n"
        f"store = Vault(HuggingFaceProvider({DATASET!r}, SecretStr({hub.token!r})), flush_seconds=2.0)\n"
        "store.store_metadata('abcdefghijk', {})\n"
        "print(asyncio.run(store.flush()).failed)\n"
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HF_ENDPOINT": hub.endpoint}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.stdout == "('abcdefghijk',)\n", done.stderr
    assert done.returncode == 0


async def test_the_module_uses_the_dataset_of_the_settings(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.endpoint)
    with settings.override(vault_provider="huggingface", hf_dataset_id=DATASET, hf_token=SecretStr(hub.token)):
        vault.check()
        vault.store_metadata("abcdefghijk", {"id": "abcdefghijk"})
        report = await vault.flush()
    assert report.stored == ("abcdefghijk",)
