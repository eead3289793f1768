"""The commands on an archive with a part that unpacks to gigabytes, a link and an endless loop of links."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import zstandard

from atlas.adapters.maia import MaiaDAO
from atlas.config import settings
from atlas.database import Database
from atlas.vault.layout import part_path
from atlas.vault.providers.base import Provider

from ...support.archives import put_bytes, put_files, put_part, record, resource
from ...support.commands import invoke
from .conftest import NOW

pytestmark = pytest.mark.integration

DAY = (NOW - timedelta(days=4)).date()
BOMB = part_path(DAY, NOW, "ff")
LINK = f"metadata/{DAY - timedelta(days=1)}"


@pytest.fixture
def hostile(local: Provider, tmp_path: Path) -> Path:
    """Returns what the link leads to."""
    packer = zstandard.ZstdCompressor().compressobj()
    put_bytes(local, BOMB, b"".join([*(packer.compress(bytes(2**20)) for _ in range(3000)), packer.flush()]))
    put_files(local, record("good", DAY), record("other", DAY))
    put_part(local, record("packed", DAY))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "good.json").write_bytes(b"{}")
    (settings.vault_path / LINK).symlink_to(elsewhere)
    (settings.vault_path / "metadata" / "loop").symlink_to("loop")
    return elsewhere


REASONS = [f"{BOMB}: its ", "bytes unpack to more than 268,435,456", f"{LINK}: it is a symbolic link"]


async def test_rebuild_names_them_and_stores_the_rest(db: Database, hostile: Path) -> None:
    done = await invoke("rebuild")

    assert done.code == 1, done.stderr
    assert all(f"damaged: {reason}" in done.out for reason in (REASONS[0], REASONS[2]))
    assert "3 records of 2 days: 3 new videos, 0 refreshed, 2 damaged" in done.out
    assert [row["id"] for row in await db.fetch("SELECT id FROM videos ORDER BY id")] == ["good", "other", "packed"]


async def test_verify_names_them_and_repairs_nothing(db: Database, hostile: Path) -> None:
    await MaiaDAO().ingest_video_metadata([resource("gone")])
    await MaiaDAO().mark_archived({"gone": NOW - timedelta(days=1)})
    done = await invoke("vault", "verify", "--repair")

    assert done.code == 1, done.stderr
    assert all(reason in done.out for reason in REASONS)
    assert "damaged: 2\n" in done.out
    assert "nothing was repaired: parts could not be read" in done.stderr
