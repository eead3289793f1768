"""What a run is made of: its folder, its servers, its agents' settings and the secrets that are planted in them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from atlas.schema.migrate import migrate
from atlas.times import iso
from harness.chaos import watch
from harness.chaos.fault_schedule import all_faults
from harness.chaos.server import Api, ServerFailed
from harness.driver.environment import kept
from harness.driver.processes import Children
from harness.driver.sandbox import NO_QUOTA, start_sandbox

__all__ = ["INDEX_LAG", "LEASE_SECONDS", "SECRETS", "environment_of", "fresh_folder", "make_schema", "start_api"]

LEASE_SECONDS = 5
INDEX_LAG = timedelta(minutes=60)  # of the schedule clock: how far the windows of two rounds overlap
"""Short, so that claims expire all the time: of the dead, of the frozen, and of the slow who still write."""

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
"""What must never be seen again, by what it is."""


def fresh_folder(folder: Path) -> None:
    """The folder of a run, with nothing of an earlier one. Raises OSError."""
    if folder.exists():
        if not (folder / "calls.jsonl").exists() and any(folder.iterdir()):
            raise ServerFailed(f"{folder} is not empty, and holds no run of this harness; name another by --folder")
        shutil.rmtree(folder)
    for name in ("logs", "results"):
        (folder / name).mkdir(parents=True, mode=0o700)
    (folder / "calls.jsonl").touch()


def clock_of(now: datetime) -> str:
    """A schedule clock for all processes, from now on."""
    return f"{_SPEED}x@{iso(now)}={iso(now)}"


def environment_of(folder: Path, dsn: str) -> dict[str, str]:
    """The settings of every agent, with none of the user's. PORT stands for the ports of a place's own ways."""
    keys = {ring: [SECRETS[f"{ring} key {number}"] for number in range(3)] for ring in ("hunting", "tracking")}
    password = quote(SECRETS["database password"], safe="")
    return kept(os.environ) | {
        "ATLAS_CLOCK": clock_of(datetime.now(UTC)),
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
    """Tables, the history of their changes, and the first queries."""
    with settings.override(database_url=dsn):
        store = Database()
        await migrate(store)
        await watch.install(dsn)
        async with store.session():
            await QueueDAO(store).add(list(_QUERIES))


async def start_api(folder: Path, children: Children, environment: Mapping[str, str], seed: int, *, calm: bool) -> Api:
    """Start the sandbox. It accepts any key, so that none is on its command line.

    Raises:
        SandboxFailed: it does not come up.
    """
    given = ["--seed", str(seed), "--videos", _VIDEOS_A_WEEK, *NO_QUOTA]
    _, address = await start_sandbox(children, folder, {**environment, "YOUTUBE_API_KEY_POOL_JSON": ""}, given)
    api = Api(address)
    await api.set_faults([] if calm else all_faults())
    return api
