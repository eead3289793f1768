"""`make demo`, or ``python -m demo``."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run the demo. Return its exit code."""
    try:
        # slow to import, and Ctrl-C may come meanwhile: nothing runs yet
        from atlas.errors import ConfigError  # noqa: PLC0415
        from atlas.streams import usable_streams  # noqa: PLC0415
        from demo.options import parse  # noqa: PLC0415
        from demo.run import run  # noqa: PLC0415
        from harness.driver.screen import Screen  # noqa: PLC0415

        with usable_streams():
            screen = Screen()
            try:
                return run(parse(arguments), screen)
            except ConfigError as error:
                screen.say(f"demo: {error}", "red")
                return 78
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
