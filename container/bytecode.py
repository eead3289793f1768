"""Compile the modules that the agents import, so that a container with a read-only root starts fast.

For the image's build only: run it with the environment's own Python, and with PYTHONPYCACHEPREFIX set to the folder for
the bytecode. This includes the standard library, which the base image has as sources only. It compiles the modules that
are loaded here, a tenth of all; the others are compiled at their import. Bytecode is not compared with its source when
it is loaded, so that the time stamps of a copy do not matter.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from py_compile import PycInvalidationMode, compile  # noqa: A004  its name

from typer.testing import CliRunner

OURS = ("maia", "atlas", "youtube_sandbox")
NEVER = ("maia.__main__", "atlas.migrations.env", "atlas.parquet")
"""Not imported here: they run something at import, or need an extra that the image does not have."""

LATER = (
    "runpy",
    # imported in the middle of a run, or of a migration
    "alembic.command", "alembic.config", "apprise", "asyncpg.protocol.protocol", "greenlet", "huggingface_hub.hf_api",
    "sqlalchemy.dialects.postgresql.asyncpg", "sqlalchemy.ext.asyncio",
    # of a run that is reported to a Prefect server
    "anyio._backends._asyncio", "fastapi", "graphviz", "prefect.events.worker", "prefect.flow_engine",
    "prefect.logging.handlers", "prefect.task_engine",
)  # fmt: skip


def main() -> None:
    for name in LATER:
        importlib.import_module(name)
    for package in OURS:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if module.name not in NEVER:
                importlib.import_module(module.name)
    # modules that the command line imports when it is used
    CliRunner().invoke(importlib.import_module("maia.cli").app(), ["hunter", "--help"])
    loaded = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
    found = [*loaded, *map(importlib.util.find_spec, NEVER)]
    sources = {spec.origin for spec in found if spec is not None and spec.origin and spec.origin.endswith(".py")}
    for source in sorted(sources):
        compile(source, doraise=True, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    sys.stdout.write(f"{len(sources)} modules compiled into {sys.pycache_prefix}\n")


if __name__ == "__main__":
    main()
