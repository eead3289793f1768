"""Mark tests by what they are for and by what they need: `harness`, `database`, `process`; leave out those of e2e.

Files with slow tests come first: a worker that begins one last would keep the others waiting.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

HARNESS = Path(__file__).resolve().parent.parent / "harness"
_STARTING = (
    "action_step", "agent_processes", "browser", "child_processes", "commands", "forked_commands", "memory_limit",
    "release_clones", "workflow_files",
)  # fmt: skip
STARTERS = {f"{__package__}.{name}" for name in _STARTING}
"""The modules that start processes."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the markers, and leave out the tests of containers and workflows unless they are asked for (`make e2e`)."""
    for item in items:
        if HARNESS in item.path.parents:
            item.add_marker(pytest.mark.harness)
        if "server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.database)
        if any(_starts_processes(module) for module in _modules(item)):
            item.add_marker(pytest.mark.process)
    if any("e2e" in argument for argument in [*config.args, config.option.markexpr]):
        return
    left = [item for item in items if item.get_closest_marker("e2e")]
    config.hook.pytest_deselected(items=left)
    costs: Counter[Path] = Counter()
    for item in items:
        costs[item.path] += _cost(item)
    items[:] = sorted((item for item in items if item not in left), key=lambda item: -costs[item.path])


def _cost(item: pytest.Item) -> int:
    """Return about how long a test takes, in units of a test without I/O."""
    if any(name == "prefect_server" for name in getattr(item, "fixturenames", ())):
        return 500
    if not item.get_closest_marker("integration"):
        return 1
    return 50 if item.get_closest_marker("process") else 10


def _modules(item: pytest.Item) -> Iterator[dict[str, object]]:
    """The globals of a test's module and of its fixtures'."""
    if isinstance(item, pytest.Function):
        yield vars(item.module)
        for definitions in item._fixtureinfo.name2fixturedefs.values():
            yield from (definition.func.__globals__ for definition in definitions)


def _starts_processes(module: dict[str, object]) -> bool:
    return module.get("subprocess") is subprocess or any(
        getattr(value, "__module__", None) in STARTERS for value in module.values()
    )
