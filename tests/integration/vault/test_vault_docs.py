"""docs/vault.md: its examples run, and the numbers in it are those of the code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atlas.vault import Vault, buffer
from atlas.vault.providers.hub_retries import ATTEMPTS
from atlas.vault.providers.huggingface import FOLDER_LIMIT
from atlas.vault.providers.local import LocalProvider
from atlas.vault.writer import FOLDER_SHARE
from maia.agents.enrichment import VIDEOS_A_CALL
from maia.runtime.shutdown import GRACE_SECONDS

from ...support.documents import document, sections

pytestmark = pytest.mark.integration

VIDEO, DAY = "dQw4w9WgXcQ", datetime(2026, 11, 22, 8, tzinfo=UTC)


def examples(language: str) -> list[str]:
    (section,) = (found for found in sections(document("docs/vault.md")) if found.heading == "Reading it")
    return ["\n".join(block.lines) for block in section.blocks if block.language == language]


@pytest.fixture
async def archive(tmp_path: Path) -> Path:
    for n in range(2):
        store = Vault(LocalProvider(tmp_path), "packed", now=lambda n=n: DAY.replace(minute=n))  # type: ignore[misc]
        for video_id in (VIDEO, f"video{n}"):
            answer = {"id": video_id, "snippet": {"title": f"ü {n}"}, "statistics": {"viewCount": f"10{n}"}}
            store.store_metadata(video_id, answer)
        assert not (await store.flush()).failed
    return tmp_path


def run(script: str, folder: Path) -> str:
    command = [sys.executable, "-c", script]
    environment = {"HOME": str(folder), "VAULT_PATH": str(folder), "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_record_is_read_from_python(archive: Path) -> None:
    script = examples("python")[0]
    assert run(f"{script}\nprint(record['id'], record['snippet']['title'])", archive) == f"{VIDEO} ü 1\n"


def test_parts_are_read_without_maia(archive: Path) -> None:
    script = examples("python")[1]
    assert "atlas" not in script
    assert run(script, archive).splitlines() == [f"{VIDEO} 100", "video0 100", f"{VIDEO} 101", "video1 101"]


@pytest.mark.skipif(not (shutil.which("zstdcat") and shutil.which("jq")), reason="zstdcat or jq is not installed")
def test_parts_are_read_on_a_command_line(archive: Path) -> None:
    (command,) = (text for text in examples("text") if text.startswith("zstdcat"))
    done = subprocess.run(["bash", "-c", command], cwd=archive, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == [f"{VIDEO}\tü 0", "video0\tü 0", f"{VIDEO}\tü 1", "video1\tü 1"]


def test_the_example_of_a_record_is_one() -> None:
    (section,) = (found for found in sections(document("docs/vault.md")) if found.heading == "Records")
    record = json.loads("\n".join(section.blocks[0].lines))
    assert list(record)[-1] == "_maia"


def test_the_numbers_are_those_of_the_code() -> None:
    text = " ".join(document("docs/vault.md").split())
    for sentence in (
        f"only when {buffer.FLUSH_DUE_RECORDS:,} records or {buffer.FLUSH_DUE_BYTES // 2**20} MiB wait",
        f"A flush takes {buffer.FLUSH_SECONDS:.0f} s at most, and after a signal no longer than the agent's grace of "
        f"{GRACE_SECONDS:.0f} s",
        f"tried up to {ATTEMPTS} times",
        f"{FOLDER_LIMIT:,} files in a folder",
        f"{VIDEOS_A_CALL} of them for one unit",
    ):
        assert sentence in text
    assert "when the folder is nine tenths full" in text
    assert FOLDER_SHARE == 0.9
