"""The folder of a run, its schema, its API, its agents' settings and the secrets that are planted in them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg

from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from atlas.schema.migrate import migrate
from atlas.times import iso
from harness.chaos.api import Api
from harness.chaos.fault_schedule import all_faults
from harness.driver.environment import kept
from harness.driver.processes import Children
from harness.driver.sandbox import NO_QUOTA, start_sandbox

LEASE_SECONDS = 5  # short: claims of the dead, the frozen and the slow expire all the time
INDEX_LAG = timedelta(minutes=60)  # of the schedule clock: how far the windows of two rounds overlap

_SPEED = 1800  # schedule seconds per real second: hourly readings are due every two, and days pass
_NO_LIMIT = "1000000000"
_VIDEOS_A_WEEK = "20000"
_QUERIES = (
    "gaming", "technology", "music", "champions league", "python tutorial", "lofi hip hop", "sourdough bread",
    "black hole", "van life", "marathon training", "index funds", "3d printer", "guitar", "news", "travel", "cooking",
)  # fmt: skip

SECRETS: Mapping[str, str] = {
    **{f"hunting key {number}": f"AIzaPlantedHunting{number}qLx7Vw0Rz3TnB9" for number in range(3)},
    **{f"tracking key {number}": f"AIzaPlantedTracking{number}mKc5Yd2Ju8GhP4" for number in range(3)},
    "database password": "planted-Pa55word-zX9+w/Q=f",
    "notification token": "planted-n0tify-tokenJq71Zb",
}
"""What no one may ever see again, by name."""


def fresh_folder(folder: Path) -> None:
    """Make the folder of a run, with nothing of an earlier one. Raises OSError."""
    if folder.exists():
        if not (folder / "calls.jsonl").exists() and any(folder.iterdir()):
            raise OSError(f"{folder} is not empty, and holds no run of this harness; name another by --folder")
        shutil.rmtree(folder)
    for name in ("logs", "results"):
        (folder / name).mkdir(parents=True, mode=0o700)
    (folder / "calls.jsonl").touch()


def environment_of(folder: Path, dsn: str) -> dict[str, str]:
    """Return the settings of every agent, with none of the user's. PORT stands for the ports of a place's proxies."""
    now = iso(datetime.now(UTC))
    keys = {ring: [SECRETS[f"{ring} key {number}"] for number in range(3)] for ring in ("hunting", "tracking")}
    password = quote(SECRETS["database password"], safe="")
    return kept(os.environ) | {
        "ATLAS_CLOCK": f"{_SPEED}x@{now}={now}",
        "DATABASE_URL": f"postgresql://postgres:{password}@127.0.0.1:PORT{urlsplit(dsn).path}?sslmode=disable",
        "YOUTUBE_API_KEY_POOL_JSON": json.dumps(keys),
        "YOUTUBE_API_BASE_URL": "http://127.0.0.1:PORT/youtube/v3",
        "VAULT_PROVIDER": "local",
        "VAULT_PATH": str(folder / "vault"),
        "HUNTER_LEASE_SECONDS": str(LEASE_SECONDS),
        "HUNTER_INDEX_LAG_MINUTES": str(INDEX_LAG // timedelta(minutes=1)),
        "TRACKER_LEASE_SECONDS": str(LEASE_SECONDS),
        "YOUTUBE_CONCURRENCY": "4",
        "RETENTION_STATISTICS_DAYS": "3",
        "JANITOR_MAX_SHARE": "1",  # days pass in minutes here, and no person confirms
        "QUOTA_SEARCH_PER_DAY": _NO_LIMIT,
        "QUOTA_UNITS_PER_DAY": _NO_LIMIT,
        "QUOTA_BATCH_PER_DAY": _NO_LIMIT,
        "DO_NOT_TRACK": "1",
    }


async def make_schema(dsn: str) -> None:
    """Make the tables, the history of their changes, and the first queries."""
    with settings.override(database_url=dsn):
        store = Database()
        await migrate(store)
        await record_changes(dsn)
        async with store.session():
            await QueueDAO(store).add(list(_QUERIES))


async def record_changes(dsn: str) -> None:
    """Make the schema ``watch``, and triggers on Maia's tables that write every change that counts into it."""
    statements = Path(__file__).with_name("watch.sql").read_text(encoding="utf-8")
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(statements)
    finally:
        await connection.close()


async def start_api(folder: Path, children: Children, environment: Mapping[str, str], seed: int, *, calm: bool) -> Api:
    """Start the sandbox. It accepts any key, so that none is on its command line. Raises SandboxFailed."""
    given = ["--seed", str(seed), "--videos", _VIDEOS_A_WEEK, *NO_QUOTA]
    _, address = await start_sandbox(children, folder, {**environment, "YOUTUBE_API_KEY_POOL_JSON": ""}, given)
    api = Api(address)
    await api.set_faults([] if calm else all_faults())
    return api
