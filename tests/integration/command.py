"""`atlas` and `maia` as child processes."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass

from ..background import PATIENCE
from ..secrets_plugin import shown

__all__ = ["ATLAS", "Done", "atlas", "maia"]

ATLAS = (sys.executable, "-c", "from atlas.cli import main; main()")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def out(self) -> str:
        return self.stdout.decode()


async def atlas(*arguments: str, **environment: str) -> Done:
    """Runs a command of `atlas` with this process's environment, and waits for its end."""
    return await _run(*ATLAS, *arguments, **environment)


async def maia(*arguments: str, stdin: bytes = b"", **environment: str) -> Done:
    """The same of `maia`, with a standard input that is no terminal."""
    return await _run(sys.executable, "-m", "maia", *arguments, stdin=stdin, **environment)


async def _run(*command: str, stdin: bytes = b"", **environment: str) -> Done:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin or None), PATIENCE)
    assert process.returncode is not None
    shown("what a command printed", out, err)
    assert b"Traceback" not in err, err.decode()
    return Done(process.returncode, out, err.decode())
