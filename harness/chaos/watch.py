"""The history of a run in its database: triggers that write down every change that counts."""

from __future__ import annotations

from pathlib import Path

import asyncpg

__all__ = ["install"]


async def install(dsn: str, schema: str = "public") -> None:
    """Makes the schema ``watch``, and triggers on Maia's tables that write into it. Anew where it is there.

    Args:
        dsn: of a migrated database; its user owns the tables.
        schema: where Maia's tables are.
    """
    quoted = '"' + schema.replace('"', '""') + '"'
    statements = Path(__file__).with_name("watch.sql").read_text(encoding="utf-8").replace("$schema", quoted)
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(statements)
    finally:
        await connection.close()
