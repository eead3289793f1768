"""``python -m harness.load``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run it. Return its exit code."""
    try:
        # slow to import, and Ctrl-C may come meanwhile: nothing runs yet
        from harness.driver.screen import Screen  # noqa: PLC0415
        from harness.load.options import parse  # noqa: PLC0415
        from harness.load.run import run  # noqa: PLC0415

        return run(parse(), Screen(width=112))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
