"""Agents as child processes, and a way between them and the database that a test can cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

PATIENCE = 90.0  # seconds: only a defect lasts so long, even on a busy machine


@dataclass(frozen=True)
class Ended:
    """How a child process ended; `code` as a shell gives it."""

    code: int
    stdout: str
    stderr: str
    result: dict[str, Any] | None

    @property
    def reason(self) -> str:
        """The one line that says why, or nothing."""
        lines = [line for line in self.stderr.splitlines() if line.startswith(("maia hunter: ", "maia tracker: "))]
        assert len(lines) <= 1, self.stderr
        return lines[0] if lines else ""


@dataclass
class Child:
    """A running child process."""

    process: asyncio.subprocess.Process
    result_file: Path

    async def end(self) -> Ended:
        """Waits for its end."""
        out, err = await asyncio.wait_for(self.process.communicate(), PATIENCE)
        code = self.process.returncode
        assert code is not None
        result = json.loads(self.result_file.read_text()) if self.result_file.exists() else None
        return Ended(code if code >= 0 else 128 - code, out.decode(), err.decode(), result)


@dataclass
class Children:
    """Starts agents with this process's environment, and leaves none behind."""

    folder: Path
    started: list[Child] = field(default_factory=list)
    number: int = 0

    async def start(
        self, *arguments: str, command: tuple[str, ...] = (sys.executable, "-m", "maia"), **environment: str | None
    ) -> Child:
        """Starts `command arguments`; a setting that is None is taken out of the environment."""

        self.number += 1
        result_file = self.folder / f"result-{self.number}.json"
        given = {**os.environ, "MAIA_RESULT_FILE": str(result_file), **environment}
        process = await asyncio.create_subprocess_exec(
            *command,
            *arguments,
            env={name: text for name, text in given.items() if text is not None},
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        child = Child(process, result_file)
        self.started.append(child)
        return child

    async def run(self, *arguments: str, **options: Any) -> Ended:
        """Starts one and waits for its end."""
        return await (await self.start(*arguments, **options)).end()

    async def close(self) -> None:
        for child in self.started:
            if child.process.returncode is None:
                child.process.kill()
                await child.process.communicate()


class Wire:
    """A TCP port that leads to the database of a DSN, and can be cut and mended."""

    def __init__(self, dsn: str) -> None:
        self._address = urlsplit(dsn)
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connections = 0

    def dsn(self, user: str = "postgres", password: str = "") -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}{self._address.path}"

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Breaks every connection, and takes no new one."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.break_connections()

    def break_connections(self) -> None:
        """Breaks every connection; new ones are taken."""
        for end in tuple(self._ends):
            end.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        folder = parse_qs(self._address.query).get("host")
        port = self._address.port or int(parse_qs(self._address.query).get("port", ["5432"])[0])
        if folder:
            far_reader, far_writer = await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.{port}")
        else:
            far_reader, far_writer = await asyncio.open_connection(self._address.hostname, port)
        self._ends |= {writer, far_writer}
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            self._ends -= {writer, far_writer}
            for end in (writer, far_writer):
                end.transport.abort()

    async def close(self) -> None:
        await self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@contextlib.asynccontextmanager
async def wire_to(dsn: str) -> AsyncIterator[Wire]:
    """A wire that works, until the block ends."""
    wire = Wire(dsn)
    await wire.mend()
    try:
        yield wire
    finally:
        await wire.close()
