"""Row 10: the image's size and what it is made of, and `docker run` to the first API call, beside the base image's own.

The base image's start is measured the same way, in a container with the same options: `python3` opens a socket to the
API's server and asks it something. What the agent takes longer is its interpreter's imports, the database, and its
claim. How the size is split: `harness/benchmarks/image_contents.py`. Without a Docker engine, the row says so.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from atlas.database import database
from harness.benchmarks.comparing import alternate
from harness.benchmarks.first_call import Doorbell, doorbell, give_work
from harness.benchmarks.lines import Line
from harness.benchmarks.world import POOL, fresh_database
from tests.support.docker_engine import Containers, Docker
from tests.support.tcp_proxy import wire_to

IMAGE, BASE = "pleiades-maia:bench", "python:3.13-slim-trixie"

PURPOSE = {
    "pleiades-maia": "Maia itself",
    "prefect": "reports runs to a Prefect server, and runs the flows under a work pool",
    "sqlalchemy": "the migrations, with alembic; Prefect needs it too",
    "huggingface-hub": "the archive on the Hub, with its transfer library hf-xet",
    "apprise": "notifications",
    "bytecode of the standard library": "no start has to compile it on a root that cannot be written",
    "shared": "needed by several of the others",
    "aiohttp": "the calls of the API",
    "pydantic": "settings and answers, checked",
    "python-dotenv": "parses .env",
    "zstandard": "the archive's packed parts",
    "asyncpg": "the database",
    "alembic": "the migrations",
    "rich": "tables and logs on a terminal, with Pygments",
    "fsspec": "the archive in a bucket",
    "typer": "the command line",
    "jinja2": "the page of the report; Prefect needs it too",
}
"""What the layers of Maia are for. Each of 1 MB or more needs an entry (see its test)."""
_CONTENTS = Path(__file__).parents[1] / "image_contents.py"
SMALL = 1_000_000  # bytes; below, dependencies share a line

# host, port: the base image has a Python and nothing else
_BARE = "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n" + (
    "s.sendall(b'GET /search HTTP/1.1\\r\\nHost: api\\r\\nConnection: close\\r\\n\\r\\n'); s.recv(99)"
)


async def measure(*, runs: int, quick: bool) -> list[Line]:
    """Measure row 10."""
    if missing := Docker.missing():
        return [Line(10, f"container: not measured, {missing}", None, "")]
    docker = Docker()
    await asyncio.to_thread(_build, docker)
    sizes = await asyncio.to_thread(_sizes, docker)
    return [*sizes, *await _starts(docker, 1 if quick else runs)]


def _build(docker: Docker) -> None:
    """Build the image of this checkout, with the options of the tests."""
    options = shlex.split(os.environ.get("MAIA_E2E_BUILD_OPTIONS", ""))
    docker("build", "--quiet", "--tag", IMAGE, *options, str(Path(__file__).parents[3]), timeout=1800)


def _sizes(docker: Docker) -> list[Line]:
    whole, base = (json.loads(docker("image", "inspect", image))[0]["Size"] for image in (IMAGE, BASE))
    script = _CONTENTS.read_text(encoding="utf-8")
    found: dict[str, dict[str, int]] = json.loads(
        docker("run", "--rm", "--network", "none", IMAGE, "python", "-c", script)
    )
    layers = whole - base
    large = {by: size for by, size in found["brought"].items() if size >= SMALL}
    small = sum(found["brought"].values()) - sum(large.values())
    lines = [
        _megabytes("image", whole, base, f"the base, {BASE}", {"dropped": found["dropped"]}),
        _megabytes("image: the layers of Maia", layers, None, "", {"packages": found["there"]}),
    ]
    for by, size in sorted(large.items(), key=lambda item: -item[1]):
        lines.append(_megabytes(f"image: {by}: {PURPOSE.get(by, '?')}", size))
    lines.append(_megabytes(f"image: {len(found['brought']) - len(large)} smaller dependencies", small))
    lines.append(_megabytes("image: links, configuration, the user", layers - sum(found["brought"].values())))
    return lines


def _megabytes(
    what: str, size: int, limit: int | None = None, beside: str = "", details: Mapping[str, object] | None = None
) -> Line:
    shown = None if limit is None else limit / 1e6
    ratio = None if limit is None else size / limit
    return Line(10, what, size / 1e6, "MB", beside, shown, ratio, details=details or {})


async def _starts(docker: Docker, runs: int) -> list[Line]:
    ours, bases = Containers(docker, IMAGE), Containers(docker, BASE)
    try:
        async with fresh_database(), wire_to(await database.dsn()) as wire, doorbell() as bell:
            given = {
                "DATABASE_URL": wire.dsn(), "YOUTUBE_API_BASE_URL": bell.url, "YOUTUBE_API_KEY_POOL_JSON": POOL,
            }  # fmt: skip
            measures: dict[str, Callable[[], Awaitable[float]]] = {
                agent: partial(_agent, ours, bell, agent, given) for agent in ("tracker", "hunter")
            }
            measures["base"] = partial(_base, bases, bell)
            found = await alternate(runs, measures)
    finally:
        ours.close()
        bases.close()
    base = found.pop("base")
    return [
        Line(
            10, f"container: docker run to the {agent}'s first API call", series.median, "s",
            "the base image's own, to a first call", base.median, series.over(base), noise=series.noise,
            details={"runs": list(series.values), "runs_of_base": list(base.values)},
        )
        for agent, series in found.items()
    ]  # fmt: skip


async def _agent(containers: Containers, bell: Doorbell, agent: str, given: dict[str, str]) -> float:
    await give_work(agent)
    return await _first_call(containers, bell, ["python", "-m", "maia", agent], given)


async def _base(containers: Containers, bell: Doorbell) -> float:
    address = urlsplit(bell.url)
    command = ["python3", "-c", _BARE, str(address.hostname), str(address.port)]
    return await _first_call(containers, bell, command, {})


async def _first_call(containers: Containers, bell: Doorbell, command: list[str], given: dict[str, str]) -> float:
    bell.rung = None
    began = time.perf_counter()
    container = containers.start(*command, environment=given)
    ended = await asyncio.to_thread(container.end)
    await asyncio.to_thread(container.remove)
    containers.started.remove(container)
    if ended.code or bell.rung is None:
        raise RuntimeError(f"{command} in a container ended with {ended.code}:\n{ended.output[-3000:]}")
    return bell.rung - began
