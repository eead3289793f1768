"""Runs in a container of the image, and prints as JSON what its files are, all in bytes.

`{"there": {what: bytes}, "dropped": {what: bytes}, "brought": {by: bytes}}`. What a dependency brings is itself and
what nothing but it, or what needs it, asks for; bytecode included.
"""

import json
import re
import sys
from collections import defaultdict
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement

ENVIRONMENT = Path("/opt/maia")
BYTECODE = ENVIRONMENT / "bytecode"
OURS = "pleiades-maia"
STANDARD, SEVERAL, REST = "bytecode of the standard library", "shared", "unasked for"

(site,) = ENVIRONMENT.glob("lib/*/site-packages")


def normal(name: str) -> str:
    """A distribution's name as indices compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def files(found: Distribution) -> set[Path]:
    """Its files that are there."""
    paths = {Path(str(file.locate())).resolve() for file in found.files or ()}
    return {path for path in paths if path.is_file()}


def needs(name: str, extras: frozenset[str] = frozenset()) -> dict[str, frozenset[str]]:
    """What it needs directly here, with which extras."""
    wanted: dict[str, frozenset[str]] = {}
    for line in installed[name].requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            need = normal(requirement.name)
            if need in installed:
                wanted[need] = wanted.get(need, frozenset()) | frozenset(requirement.extras)
    return wanted


def all_needs(first: str, extras: frozenset[str]) -> set[str]:
    """It, and everything below it."""
    seen: dict[str, frozenset[str]] = {}
    left = [(first, extras)]
    while left:
        name, more = left.pop()
        if name in seen and more <= seen[name]:
            continue
        seen[name] = seen.get(name, frozenset()) | more
        left += needs(name, seen[name]).items()
    return set(seen)


installed = {normal(found.name): found for found in distributions(path=[str(site)])}
held = {name: files(found) for name, found in installed.items()}
owner = {path: name for name, paths in held.items() for path in paths}
sizes = {name: sum(path.stat().st_size for path in paths) for name, paths in held.items()}

there = {found.name: sizes[name] for name, found in installed.items()}
compiled = {path: path.stat().st_size for path in BYTECODE.rglob("*.pyc")}
there["bytecode of what is imported"] = sum(compiled.values())

direct = {name: all_needs(name, extras) for name, extras in needs(OURS).items()}
brought: dict[str, int] = defaultdict(int)


def by(name: str) -> str:
    """Which of our dependencies brings a distribution."""
    if name == OURS or name in direct:
        return name
    bringing = [dependency for dependency, below in direct.items() if name in below]
    # rich brings its own though typer brings rich
    nearest = [one for one in bringing if all(one in direct[other] for other in bringing)]
    return nearest[0] if nearest else SEVERAL if bringing else REST


for name, size in sizes.items():
    brought[by(name)] += size
for path, size in compiled.items():
    # /opt/maia/bytecode/opt/maia/lib/…/module.cpython-313.pyc is /opt/maia/lib/…/module.py
    source = Path("/", path.relative_to(BYTECODE)).with_name(path.name.split(".")[0] + ".py")
    found = owner.get(source.resolve())
    brought[STANDARD if found is None else by(found)] += size

dropped = json.loads((ENVIRONMENT / "slim.json").read_text())
json.dump({"there": there, "dropped": dropped, "brought": brought}, sys.stdout)
