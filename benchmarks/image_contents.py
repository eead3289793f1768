"""Runs in a container of the image, and prints as JSON what its files are: `{"there": {what: bytes}, "dropped": …}`."""

import json
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

ENVIRONMENT = Path("/opt/maia")


def size(found: Distribution) -> int:
    """Bytes of its files that are there."""
    paths = {Path(str(file.locate())).resolve() for file in found.files or ()}
    return sum(path.stat().st_size for path in paths if path.is_file())


(site,) = ENVIRONMENT.glob("lib/*/site-packages")
there = {found.name: size(found) for found in distributions(path=[str(site)])}
there["bytecode of what is imported"] = sum(path.stat().st_size for path in (ENVIRONMENT / "bytecode").rglob("*.pyc"))
json.dump({"there": there, "dropped": json.loads((ENVIRONMENT / "slim.json").read_text())}, sys.stdout)
