"""The page that `maia report` writes of what is stored, in a real browser."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from atlas.database import Database

from ...support.browser import chromium, opened
from ...support.clock_settings import standing_at
from ...support.commands import invoke_maia
from ...support.growth_rows import NOON, add_riser

pytestmark = pytest.mark.integration


async def test_the_page_shows_what_is_stored(db: Database, tmp_path: Path) -> None:
    await add_riser(db, "some_video1", 1_000, 3_500)
    file = tmp_path / "page.html"
    done = await invoke_maia("report", "--output", str(file), ATLAS_CLOCK=standing_at(NOON + timedelta(minutes=10)))
    assert done.code == 0, done.stderr

    def look() -> None:  # in another thread: a browser's driver and this test's event loop exclude each other
        with chromium() as browser, opened(browser, file) as found:
            assert found.page.locator("#rising-table .title").all_inner_texts() == ["title of some_video1"]
            assert found.page.locator("#rising-table tbody .c-rate").inner_text() == "2.5k"
            found.page.locator("#rising-table .title").click()
            assert found.page.locator("#video-points td:nth-child(2)").all_inner_texts() == ["3,500", "1,000"]
            assert found.faults() == []

    await asyncio.to_thread(look)
