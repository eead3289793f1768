"""``python -m maia``, and where the installed commands begin: a signal ends the process from its first moment on.

As the first process of a container it has no default action for signals: until there is a handler, the kernel drops
them, and `docker stop` would wait for its kill. The imports below take half a second; an agent then puts a handler of
its own in place, which stops the work in good order (`maia.runtime.shutdown`). Until then the process ends at once,
with a result
file where one is asked for (`maia.runtime.early_result`).
"""

import signal
import sys
from types import FrameType
from typing import Final

__all__ = ["hunter", "main", "tracker"]

_came: Final[list[int]] = []
"""Signals that came while even `maia.runtime.early_result` was not imported."""


def _leave(signum: int, _frame: FrameType | None) -> None:
    # not imported here: the handler may run in the middle of that very import
    known = getattr(sys.modules.get("maia.runtime.early_result"), "current", None)
    if known is None:
        _came.append(signum)
    else:
        known.leave(signum)


def _heed_signals(arguments: list[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background job has no SIGINT
            signal.signal(number, _leave)
    from maia.runtime import early_result  # noqa: PLC0415  after the handlers

    early_result.current = early_result.Early(arguments)
    if _came:
        early_result.current.leave(_came[0])


def main(*before: str) -> None:
    """``maia``. ``before``: arguments that come before those of the command line."""
    arguments = [*before, *sys.argv[1:]]
    _heed_signals(arguments)
    from maia.cli import main  # noqa: PLC0415  after the handlers

    main(arguments)


def hunter() -> None:
    """``maia-hunter``: the same as ``maia hunter``."""
    main("hunter")


def tracker() -> None:
    """``maia-tracker``: the same as ``maia tracker``."""
    main("tracker")


if __name__ == "__main__":
    main()
