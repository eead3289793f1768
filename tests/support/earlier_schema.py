"""The schema of an earlier release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import InternalError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import atlas
from atlas.database import Database

__all__ = ["alembic", "down"]


def alembic() -> Config:
    """Return what Alembic needs to know of the revisions."""
    config = Config()
    config.set_main_option("script_location", str(Path(atlas.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


async def down(revision: str) -> None:
    """Undoes the revisions after one, as Alembic does it."""
    engine = create_async_engine("postgresql+asyncpg://", async_creator=Database().connect, poolclass=NullPool)

    def run(connection: Any) -> None:
        config = alembic()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)

    for _ in range(10):
        try:
            async with engine.begin() as connection:
                await connection.run_sync(run)
            break
        except InternalError as error:
            # TimescaleDB's policies have begun to work on the new database: it is done again, as a person would do it
            if "concurrently" not in str(error):
                raise
    await engine.dispose()
