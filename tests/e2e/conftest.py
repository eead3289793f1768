"""What the end-to-end tests stand on: a Docker engine, the image, a PostgreSQL over TCP, and the sandbox.

Where no engine answers, the tests are skipped and say why; with MAIA_E2E_REQUIRED=1 they fail instead.
MAIA_E2E_BUILD_OPTIONS has more options for `docker build`, such as --network=host or --build-arg of a proxy.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from atlas.db.embedded import start
from youtube_sandbox import RunningSandbox, SandboxConfig, running
from youtube_sandbox.log import CallLog

from ..support.act import missing as act_is_missing
from ..support.databases import execute, fresh_database, make_template
from ..support.docker_engine import Containers, Docker
from ..support.documents import CHECKOUT
from ..support.event_loop import PATIENCE, Background
from ..support.fake_secrets import HUNTING, TRACKING
from ..support.tcp_proxy import wire_to

IMAGE = "pleiades-maia:latest"
TEMPLATE = "maia_e2e_template"
PASSWORD = "hunter"  # a word that stands in outcomes, outputs and names of files: masking it must break nothing
POOL = {"hunting": [*HUNTING], "tracking": [*TRACKING]}


@pytest.fixture(scope="session")
def docker() -> Docker:
    """The engine."""
    _require(Docker.missing())
    return Docker()


@pytest.fixture(scope="session")
def act() -> None:
    _require(act_is_missing())


def _require(missing: str | None) -> None:
    if missing and os.environ.get("MAIA_E2E_REQUIRED") == "1":
        pytest.fail(f"{missing}, and MAIA_E2E_REQUIRED=1")
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="session")
def image(docker: Docker, request: pytest.FixtureRequest) -> str:
    """The image, built from the checkout; its name."""
    began = time.monotonic()
    options = shlex.split(os.environ.get("MAIA_E2E_BUILD_OPTIONS", ""))
    docker("build", "--tag", IMAGE, *options, str(CHECKOUT), timeout=1800)
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\ndocker build --tag {IMAGE}: {time.monotonic() - began:.1f} s")
    return IMAGE


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    """Runs what is asynchronous, beside the tests."""
    with Background() as background:
        yield background


@pytest.fixture(scope="session")
def server(background: Background, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DSN of a PostgreSQL on TCP that asks for a password, with a migrated template.

    MAIA_TEST_DATABASE_URL names another than the embedded one; its user and password are then what they are there.
    """
    given = os.environ.get("MAIA_TEST_DATABASE_URL")
    if given:
        dsn = _over_tcp(background, given, urlsplit(given).username or "postgres", urlsplit(given).password or "")
        background.run(make_template(dsn, TEMPLATE))
        yield dsn
        return
    embedded = background.run(start(tmp_path_factory.mktemp("postgres")))
    background.run(_ask_for_passwords(embedded.dsn, embedded.path / "data" / "pg_hba.conf"))
    dsn = _over_tcp(background, embedded.dsn, "maia", PASSWORD)
    background.run(make_template(dsn, TEMPLATE))
    yield dsn
    background.run(embedded.leave())


async def _ask_for_passwords(dsn: str, rules: Path) -> None:
    """A role as a user has it: owner of its databases, not superuser, with a password that is asked for."""
    await execute(dsn, f"CREATE ROLE maia LOGIN CREATEDB PASSWORD '{PASSWORD}'")
    # DROP DATABASE … WITH (FORCE) may find an autovacuum worker at work, which an ordinary role must not end
    await execute(dsn, "GRANT pg_signal_backend TO maia")
    rules.write_text(f"local all maia scram-sha-256\n{rules.read_text()}")
    await execute(dsn, "SELECT pg_reload_conf()")


def _over_tcp(background: Background, dsn: str, user: str, password: str) -> str:
    """The server's address on TCP: a port of 127.0.0.1 that leads to it where it has a Unix socket only."""
    if "host" not in parse_qs(urlsplit(dsn).query):
        return dsn
    wire = background.enter(wire_to(dsn))
    return f"postgresql://{user}:{password}@127.0.0.1:{wire.port}/postgres"


@pytest.fixture
def dsn(server: str, background: Background) -> Iterator[str]:
    """The DSN of a migrated database of this test's own, as a container on this machine's network reaches it."""
    with Background() as mine:
        yield mine.enter(fresh_database(server, TEMPLATE))


@pytest.fixture
def empty_dsn(server: str) -> Iterator[str]:
    """The DSN of a database without the schema."""
    with Background() as mine:
        yield mine.enter(fresh_database(server, "template0"))


Query = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def query(dsn: str, background: Background) -> Query:
    """`query(statement, *arguments)`: the rows that it gives, of this test's database."""

    async def ask(statement: str, *arguments: Any) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(dsn)
        try:
            return [dict(row) for row in await connection.fetch(statement, *arguments)]
        finally:
            await connection.close()

    return lambda statement, *arguments: background.run(ask(statement, *arguments))


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that runs beside the test."""

    running: RunningSandbox
    background: Background

    @property
    def base_url(self) -> str:
        return self.running.base_url

    @property
    def log(self) -> CallLog:
        return self.running.log

    def faults(self, *specs: str) -> None:
        """Replaces all faults; without any, there are none."""
        self.running.faults.set(specs)

    def wait_for(self, predicate: Callable[[CallLog], bool], timeout: float = PATIENCE) -> None:
        """Returns once it holds for the log of calls."""
        self.background.run(self.running.log.wait_for(predicate, timeout=timeout), timeout + 5)


@pytest.fixture
def sandbox(background: Background) -> Iterator[Sandbox]:
    """A local YouTube on 127.0.0.1 that takes any key, with a log and faults of this test's own."""
    with Background() as mine:
        yield Sandbox(mine.enter(running(SandboxConfig(videos=20_000))), mine)


@pytest.fixture
def environment(dsn: str, sandbox: Sandbox) -> dict[str, str]:
    """The settings of an agent: this test's database and sandbox."""
    return {
        "DATABASE_URL": dsn,
        "YOUTUBE_API_BASE_URL": sandbox.base_url,
        "YOUTUBE_API_KEY_POOL_JSON": json.dumps(POOL),
    }


@pytest.fixture
def containers(docker: Docker, image: str) -> Iterator[Containers]:
    """Starts containers of the image, and leaves none behind."""
    containers = Containers(docker, image)
    yield containers
    containers.close()


@pytest.fixture
def seeded(query: Query) -> None:
    """Three queries in the queue."""
    query(
        "INSERT INTO search_queue (query_term, priority, source, added_at)"
        " SELECT term, 1, 'user', now() FROM unnest(ARRAY['python', 'guitar', 'cooking']) AS term"
    )
