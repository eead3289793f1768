"""Agents as child processes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .child_processes import end, start
from .event_loop import PATIENCE
from .process_result import Ended
from .secrets_plugin import beside, shown


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
        written = self.result_file.read_text() if self.result_file.exists() else None
        shown("what a child process wrote", out, err, written)
        result = None if written is None else json.loads(written)
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
        process = await start(
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
        beside("with a child process in it")
        return child

    async def run(self, *arguments: str, **options: Any) -> Ended:
        """Starts one and waits for its end."""
        return await (await self.start(*arguments, **options)).end()

    async def close(self) -> None:
        """End all of them, also those that ended by themselves while nobody read what they wrote."""
        await asyncio.gather(*(end(child.process) for child in self.started))
