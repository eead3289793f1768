"""`atlas` and `maia` as child processes, and their commands in this process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
import typer
from typer.testing import CliRunner

from atlas.cli import app
from atlas.config import settings
from atlas.database import Database, database
from maia.cli import app as maia_app

from .child_processes import finished
from .secrets_plugin import shown

__all__ = ["ATLAS", "MAIA", "Done", "atlas", "invoke", "invoke_maia", "maia", "run"]

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


async def invoke(*arguments: str, stdin: str = "", **environment: str) -> Done:
    """Run a command of `atlas` in this process, in a loop of its own and with a database as a new process has it."""
    return await _invoke(app, arguments, stdin, environment)


async def invoke_maia(*arguments: str, stdin: str = "", **environment: str) -> Done:
    """The same of `maia`."""
    return await _invoke(maia_app(), arguments, stdin, environment)


async def _invoke(program: typer.Typer, arguments: Sequence[str], stdin: str, environment: Mapping[str, str]) -> Done:
    own = dict(vars(database))
    with pytest.MonkeyPatch.context() as patch:
        for name, text in environment.items():
            patch.setenv(name, text)
        settings.reload()
        vars(database).update(vars(Database()))
        try:
            done = await asyncio.to_thread(CliRunner().invoke, program, list(arguments), input=stdin)
        finally:
            vars(database).update(own)
    if environment:
        settings.reload()
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    shown("what a command printed", done.stdout_bytes, done.stderr_bytes)
    return Done(done.exit_code, done.stdout_bytes, done.stderr)
