"""`atlas` as a child process."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass

from ..background import PATIENCE
from ..secrets_plugin import shown

__all__ = ["ATLAS", "Done", "atlas"]

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
    """Runs a command with this process's environment, and waits for its end."""
    process = await asyncio.create_subprocess_exec(
        *ATLAS,
        *arguments,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode is not None
    shown("what a command printed", out, err)
    assert b"Traceback" not in err, err.decode()
    return Done(process.returncode, out, err.decode())
