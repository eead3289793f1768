"""Commands of `maia` and `atlas` in forked children of one process, which has imported them: no child pays for that."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from .child_processes import finished, popen
from .commands import Done
from .event_loop import PATIENCE
from .secrets_plugin import shown

__all__ = ["Forked", "forked_commands", "run_forked"]

_PARENT = """
import json, os, signal, sys
import atlas.cli, maia.cli
maia.cli.app()
setup, at_once = sys.argv[1:]
exec(setup)
running = []
def wait():
    print(os.waitstatus_to_exitcode(os.waitpid(running.pop(0), 0)[1]), flush=True)
for line in sys.stdin:
    program, arguments, environment, folder, outputs, patience = json.loads(line)
    if pid := os.fork():
        running.append(pid)
        if len(running) == int(at_once):
            wait()
        continue
    signal.alarm(patience)
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = open(0, closefd=False)  # the old one has read ahead
    for number, output in enumerate(outputs, 1):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    words = [os.fsdecode(word.encode()) for word in arguments]  # as typed in UTF-8
    sys.exit({"maia": maia.cli, "atlas": atlas.cli}[program].main(words))
while running:
    wait()
"""


def _parent(setup: str = "", at_once: int = 1) -> list[str]:
    return [sys.executable, "-c", _PARENT, setup, str(at_once)]


def _request(
    command: Sequence[str], environment: Mapping[str, str] | None, folder: Path | str, outputs: Sequence[Path | str]
) -> str:
    program, *arguments = command
    given = None if environment is None else dict(environment)
    return json.dumps([program, arguments, given, str(folder), [str(each) for each in outputs], int(PATIENCE)])


class Forked:
    """Runs one command at a time."""

    def __init__(self, parent: subprocess.Popen[str], folder: Path) -> None:
        self._parent = parent
        self._output = folder / "output"

    def run(self, command: str, environment: Mapping[str, str], folder: Path) -> tuple[int, str]:
        """Return the exit code and what the command printed on both streams."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._output.unlink(missing_ok=True)
        request = _request(command.split(), environment, folder, [self._output] * 2)
        print(request, file=self._parent.stdin, flush=True)
        code = int(self._parent.stdout.readline())
        printed = self._output.read_text()
        shown(f"what `{command}` printed", printed)
        assert "Traceback" not in printed, printed
        return code, printed


@contextlib.contextmanager
def forked_commands() -> Iterator[Forked]:
    """Start the parent, and end it with the block."""
    with (
        TemporaryDirectory() as folder,
        popen(_parent(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent,
    ):
        yield Forked(parent, Path(folder))


async def run_forked(
    *commands: tuple[str, ...], setup: str = "", at_once: int = 3, **environment: str | None
) -> list[Done]:
    """Run commands by a parent of their own, and return how they ended, in their order.

    Args:
        commands: ``atlas`` or ``maia``, and its arguments, which are typed as UTF-8 whatever the child's encoding is.
        setup: Python that is executed before, such as an assignment to a time limit.
        at_once: how many run at the same time.
        environment: over that of this process; None removes a variable.
    """
    given = {name: text for name, text in {**os.environ, **environment}.items() if text is not None}
    with TemporaryDirectory() as folder:
        outputs = [[Path(folder, f"{number}.{stream}") for stream in (1, 2)] for number in range(len(commands))]
        requests = [_request(command, None, folder, files) for command, files in zip(commands, outputs, strict=True)]
        code, codes, err = await finished(
            *_parent(setup, at_once), given="\n".join(requests).encode(), env=given, cwd=folder
        )
        assert code == 0, err.decode()
        found = []
        for ended, files in zip(codes.split(), outputs, strict=True):
            out, err = (file.read_bytes() for file in files)
            shown("what a command printed", out, err)
            assert b"Traceback" not in err, err.decode()
            found.append(Done(int(ended), out, err.decode(errors="replace")))
    return found
