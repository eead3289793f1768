"""One agent of the harness: Maia's own command line, marked so that its processes can be distinguished.

``python -m harness.chaos.shard [--mutant NAME] [--deadline SECONDS] [--memory BYTES] AGENT …``, or ``atlas`` instead of
an agent. A place (``hunter 0/3``) is filled by one process after another, all of the same name: the process's id is
added to the name that the database and the API get. Nothing else is changed, except by a mutant.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from functools import wraps
from types import FrameType
from typing import Any


def _leave(signum: int, _frame: FrameType | None) -> None:
    os._exit(128 + signum)


def main(arguments: list[str]) -> None:
    """Mark the process, put in the mutant if there is one, and run ``maia`` with the rest of the arguments."""
    for number in (signal.SIGTERM, signal.SIGINT):  # as maia does from its first moment on, which comes later here
        signal.signal(number, _leave)
    _mark()
    arguments = _put(arguments)
    if arguments[:1] == ["atlas"]:
        from atlas.cli import main as atlas  # noqa: PLC0415  likewise

        sys.argv = arguments
        atlas()
    from maia.__main__ import main as maia  # noqa: PLC0415  after the handlers

    sys.argv[1:] = arguments
    maia()


def _put(arguments: list[str]) -> list[str]:
    """Apply the options. Return the rest."""
    given: dict[str, str] = {}
    while arguments[:1] and arguments[0].startswith("--"):
        given[arguments[0]], arguments = arguments[1], arguments[2:]
    if (seconds := given.get("--deadline")) is not None:
        from atlas.db import deadline  # noqa: PLC0415  after the handlers

        vars(deadline)["DEADLINE"] = float(seconds)
    if (size := given.get("--memory")) is not None:
        resource.setrlimit(resource.RLIMIT_AS, (int(size), int(size)))
    if (mutant := given.get("--mutant")) is not None:
        from harness.chaos.mutants import MUTANTS  # noqa: PLC0415  the others need not import what it patches

        MUTANTS[mutant].put_in()
    return arguments


def _mark() -> None:
    from atlas.db import connections, pooler  # noqa: PLC0415  after the handlers
    from maia import __version__  # noqa: PLC0415
    from maia.agents import session  # noqa: PLC0415

    @wraps(pooler.options)
    def marked(application_name: str, *rest: Any) -> dict[str, Any]:
        return pooler.options(f"{application_name} #{os.getpid()}", *rest)

    vars(connections)["options"] = marked
    vars(session)["__version__"] = f"{__version__}#{os.getpid()}"


if __name__ == "__main__":
    main(sys.argv[1:])
