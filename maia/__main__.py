"""``python -m maia``, and where the installed commands begin: a signal ends the process from its first moment on.

As the first process of a container it has no default action for signals: until there is a handler, the kernel drops
them, and `docker stop` would wait for its kill. The imports below take half a second; an agent then puts a handler of
its own in place, which stops the work in good order (`maia.stop`).
"""

import os
import signal
import sys
from types import FrameType

__all__ = ["hunter", "main", "tracker"]


def _leave(signum: int, _frame: FrameType | None) -> None:
    os._exit(128 + signum)


def _heed_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background job has no SIGINT
            signal.signal(number, _leave)


def main(*before: str) -> None:
    """``maia``. ``before``: arguments that come before those of the command line."""
    _heed_signals()
    from maia.cli import main  # noqa: PLC0415  after the handlers

    main([*before, *sys.argv[1:]])


def hunter() -> None:
    """``maia-hunter``: the same as ``maia hunter``."""
    main("hunter")


def tracker() -> None:
    """``maia-tracker``: the same as ``maia tracker``."""
    main("tracker")


if __name__ == "__main__":
    main()
