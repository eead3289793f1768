"""Whether a planted secret can be read anywhere: in what was written, stored, or shown in the list of processes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from harness.chaos.record import Checked
from tests.support.secret_search import find_leaks, process_list

_NAME = "no secret anywhere"
_GLANCE = 0.25  # seconds between two looks at the list of processes


class Watcher:
    """Look at the command lines of all processes while agents run."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets
        self.looks = 0
        self.found: set[str] = set()

    async def look(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            # off the loop: where an agent is killed must not depend on it
            shown = await asyncio.to_thread(process_list)
            self.looks += 1
            leaks = find_leaks(shown, self._secrets)
            self.found.update(f"list of processes: {leak.split(', at byte')[0]}" for leak in leaks)
            await asyncio.sleep(_GLANCE)


async def everywhere(folder: Path, dsn: str, watcher: Watcher, secrets: Mapping[str, str]) -> Checked:
    """Search every file of a run except the data files of PostgreSQL, whose tables are read as text."""
    violations = sorted(watcher.found)
    files = await asyncio.to_thread(_written, folder)
    for path in files:
        data = await asyncio.to_thread(path.read_bytes)
        violations += [f"{path.relative_to(folder)}: {leak}" for leak in find_leaks(data, secrets)]
    tables = await _tables(dsn)
    violations += [f"table {name}: {leak}" for name, text in tables.items() for leak in find_leaks(text, secrets)]
    return Checked(_NAME, watcher.looks + len(files) + len(tables), violations)


def _written(folder: Path) -> list[Path]:
    data_files = folder / "postgres" / "data"
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and data_files not in path.parents]


async def _tables(dsn: str) -> dict[str, bytes]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        found: dict[str, bytes] = {}
        for schema, name in rows:
            parts: list[bytes] = []

            async def keep(data: bytes, parts: list[bytes] = parts) -> None:
                parts.append(data)

            await connection.copy_from_query(f'SELECT * FROM "{schema}"."{name}"', output=keep)  # noqa: S608  its own
            found[f"{schema}.{name}"] = b"".join(parts)
        return found
    finally:
        await connection.close()
