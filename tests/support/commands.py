"""`atlas` and `maia` as child processes."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from .child_processes import finished
from .secrets_plugin import shown

__all__ = ["ATLAS", "MAIA", "Done", "atlas", "maia", "run"]

ATLAS = (sys.executable, "-c", "from atlas.cli import main; main()")
MAIA = (sys.executable, "-m", "maia")


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
    return await run(*ATLAS, *arguments, **environment)


async def maia(*arguments: str, stdin: bytes = b"", **environment: str) -> Done:
    """The same of `maia`, with a standard input that is no terminal."""
    return await run(*MAIA, *arguments, stdin=stdin, **environment)


async def run(*command: str, stdin: bytes = b"", **environment: str) -> Done:
    """Run a program with this process's environment, and wait for its end."""
    code, out, err = await finished(*command, given=stdin, env={**os.environ, **environment})
    shown("what a command printed", out, err)
    assert b"Traceback" not in err, err.decode()
    return Done(code, out, err.decode())
