"""The commands of docs/vault.md's operations, as they stand there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from atlas.database import Database
from atlas.vault.providers.base import Provider

from ...support.archives import put_files, record
from ...support.commands import invoke
from ...support.documents import document, sections
from .conftest import NOW

pytestmark = pytest.mark.integration


async def test_they_work_one_after_the_other(db: Database, local: Provider) -> None:
    (section,) = (each for each in sections(document("docs/vault.md")) if each.heading == "Operations")
    commands = {line.partition("#")[0].strip() for block in section.blocks for line in block.lines}
    assert {command.split()[1] for command in commands} == {"vault", "rebuild", "forget"}
    put_files(local, record("dQw4w9WgXcQ", (NOW - timedelta(days=3)).date()))
    forget, *_ = sorted(commands)
    for command in ("atlas rebuild", "atlas vault verify", "atlas vault compact", forget):
        assert command in commands
        # here is no terminal on which it could ask
        done = await invoke(*command.split()[1:], *(["--yes"] if command == forget else []))
        assert (done.code, done.stderr) == (0, ""), command
    assert await db.fetch("SELECT FROM videos") == []
    codes = {row.split("|")[1].strip() for row in section.text.splitlines() if row.startswith("| ")}
    assert {"0", "1", "2", "69", "78", "130, 143"} <= codes
