"""``python -m maia`` and the installed commands: a signal ends the process from its first moment on.

The first process of a container has no default action for signals: until there is a handler, the kernel drops them, and
`docker stop` would wait for its kill. The imports take half a second; then an agent installs its own handlers
(`maia.runtime.shutdown`). Until then a signal ends the process at once, with a result file where one is configured
(`maia.runtime.early_result`).
"""

import signal
import sys
from types import FrameType
from typing import Final

_early_signals: Final[list[int]] = []
"""Signals that came before `maia.runtime.early_result` was imported."""


def _end(signum: int, _frame: FrameType | None) -> None:
    # not imported here: the handler may run in the middle of that very import
    known = getattr(sys.modules.get("maia.runtime.early_result"), "current", None)
    if known is None:
        _early_signals.append(signum)
    else:
        known.end(signum)


def _handle_signals(arguments: list[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background job has no SIGINT
            signal.signal(number, _end)
    from maia.runtime import early_result  # noqa: PLC0415  after the handlers

    early_result.current = early_result.EarlyResult(arguments)
    if _early_signals:
        early_result.current.end(_early_signals[0])


def main(*before: str) -> None:
    """Run ``maia``; ``before``: arguments before those of the command line."""
    arguments = [*before, *sys.argv[1:]]
    _handle_signals(arguments)
    from maia.cli import main  # noqa: PLC0415  after the handlers

    main(arguments)


def hunter() -> None:
    """Run ``maia-hunter``: the same as ``maia hunter``."""
    main("hunter")


def tracker() -> None:
    """Run ``maia-tracker``: the same as ``maia tracker``."""
    main("tracker")


if __name__ == "__main__":
    main()
