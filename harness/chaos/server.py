"""The servers of a run: a PostgreSQL that can be killed, and the local YouTube API with its faults."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from atlas.db import embedded
from atlas.db.embedded._folder import Folder

__all__ = ["Api", "Postgres", "ServerFailed"]

_PATIENCE = 60.0
_GLANCE = 0.02  # seconds between two looks at a server that is coming up


class ServerFailed(Exception):
    """A server did not come up; the message says which."""


class Postgres:
    """The run's own PostgreSQL. Its keeper starts it again whenever it dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = Folder(folder)
        self._client: embedded.EmbeddedServer | None = None

    @property
    def dsn(self) -> str:
        """The way of the harness itself, by no proxy."""
        if self._client is None:
            raise ServerFailed("PostgreSQL has not been started")
        return self._client.dsn

    async def start(self) -> None:
        """Brings it up."""
        self._client = await embedded.start(self._folder.path, grace=10.0)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection for a proxy. Raises OSError while the server is away."""
        socket = self._folder.socket_dir() / ".s.PGSQL.5432"
        return await asyncio.open_unix_connection(str(socket))

    async def restart(self, signum: signal.Signals) -> None:
        """Ends the server by a signal, and returns once another one takes connections.

        Args:
            signum: SIGINT breaks its sessions off, SIGQUIT lets it crash, SIGKILL leaves its processes without it.
        """
        before = self._folder.running()
        if before is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(before.pid, signum)
        deadline = time.monotonic() + _PATIENCE
        while True:
            now = self._folder.running()
            if now is not None and now.ready and (before is None or now.pid != before.pid):
                return
            if time.monotonic() > deadline:
                raise ServerFailed(f"PostgreSQL did not come back; see {self._folder.log}")
            await asyncio.sleep(_GLANCE)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Has the server stand still, with all its processes: it takes connections, and answers nothing."""
        running = self._folder.running()
        pids = [] if running is None else [running.pid]
        for pid in pids:  # grows: the children of one that stands still are all that it will have
            _send(pid, signal.SIGSTOP)
            if pid == pids[0]:
                pids += _children_of(pid)
        try:
            yield
        finally:
            for pid in pids:
                _send(pid, signal.SIGCONT)

    async def stop(self) -> None:
        """Takes it down."""
        if self._client is not None:
            await self._client.leave()
        await embedded.stop(self._folder.path)


def _send(pid: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signum)


def _children_of(pid: int) -> list[int]:
    command = ["pgrep", "-P", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


@dataclass
class Api:
    """The sandbox, as its own doors show it.

    Attributes:
        url: its base URL.
    """

    url: str

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.url.split("//")[1].split("/")[0].partition(":")
        return host, int(port)

    @property
    def _doors(self) -> str:
        return self.url.split("/youtube/")[0] + "/_sandbox/faults"

    async def struck(self) -> dict[str, int]:
        """Fault → how often it has struck."""
        async with aiohttp.ClientSession() as session, session.get(self._doors) as answer:
            return _sums(await answer.json())

    async def set_faults(self, specs: list[str]) -> None:
        """Replaces the faults in force."""
        async with aiohttp.ClientSession() as session, session.post(self._doors, json=specs) as answer:
            if answer.status != 200:
                raise ServerFailed(f"the sandbox refused its faults: {await answer.text()}")


def _sums(faults: list[dict[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for fault in faults:
        kind = str(fault["spec"]).split(":")[0]
        found[kind] = found.get(kind, 0) + int(fault["struck"])
    return found
