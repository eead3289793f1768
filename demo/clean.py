"""Stop what a demo has running, so that its folder can be removed (`make clean`).

Runs with any Python, without the virtual environment: it may be gone already.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from atlas.db.embedded import stop
from atlas.errors import AtlasError
from harness.driver.processes import Busy, end_leftovers, end_owner


def stop_all(folder: Path) -> None:
    """End the demos of a folder and of the data sets' folders in it. Raises Busy, AtlasError."""
    if not folder.is_dir():
        return
    for place in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        if (place / "demo.lock").exists():
            end_owner(place)
            end_leftovers(place)
            asyncio.run(stop(place / "postgres"))


def main(arguments: list[str]) -> int:
    for name in arguments:
        try:
            stop_all(Path(name).resolve())
        except (Busy, AtlasError, OSError) as error:
            sys.stderr.write(f"demo: {error}; {name} is left as it is\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
