"""What a reader of README.md runs, in its order, on a local YouTube."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from ..support.child_processes import popen
from ..support.documents import document, needs_documents, sections

pytestmark = [pytest.mark.integration, needs_documents]

DSN = "postgresql://user:password@host:5432/maia"


def blocks(name: str, heading: str, language: str) -> list[str]:
    (section,) = (section for section in sections(document(name)) if section.heading == heading)
    return ["\n".join(block.lines) for block in section.blocks if block.language == language]


@pytest.fixture
def youtube() -> Iterator[str]:
    """The base URL of a sandbox that takes the README's key and no other."""
    command = [sys.executable, "-m", "maia", "sandbox", "--port", "0", "--key", "YOUR_KEY"]
    with popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def test_the_quick_start_works_in_its_order(empty_dsn: str, youtube: str, tmp_path: Path) -> None:
    _install, env_file, commands = blocks("README.md", "With your own key and database", "bash")
    assert DSN in env_file
    run = [line.split()[:2] for line in commands.splitlines()]
    assert run == [
        ["atlas", "migrate"], ["maia", "queue"], ["maia", "hunter"], ["maia", "tracker"], ["maia", "top"],
        ["maia", "keys"], ["atlas", "status"],
    ]  # fmt: skip
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": "",
        "YOUTUBE_API_BASE_URL": youtube,
    }
    script = f"set -ex\n{env_file.replace(DSN, empty_dsn)}\n{commands}\n"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stderr
    assert "2 new, 0 known" in done.stdout
    assert "ok, topics 2, searches 2" in done.stderr
    # the first snapshot came with the discovery
    assert "no video is due before" in done.stderr
    assert "No video has two readings yet" in done.stdout
    assert list((tmp_path / ".local" / "share" / "pleiades" / "vault" / "metadata").glob("*/*.json"))

    async def stored() -> int:
        connection = await asyncpg.connect(empty_dsn)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM video_stats_log WHERE views IS NOT NULL"))
        finally:
            await connection.close()

    assert asyncio.run(stored()) > 0
