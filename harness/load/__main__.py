"""``python -m harness.load``."""

from __future__ import annotations

import sys


def main() -> int:
    """Runs it; its exit code."""
    try:
        # slow to import, and Ctrl-C may come meanwhile: nothing runs yet
        from rich.console import Console  # noqa: PLC0415

        from harness.driver.screen import Screen  # noqa: PLC0415
        from harness.load.options import parse  # noqa: PLC0415
        from harness.load.run import run  # noqa: PLC0415

        console = Console(highlight=False)
        return run(parse(), Screen(console if console.is_terminal else Console(highlight=False, width=112)))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
