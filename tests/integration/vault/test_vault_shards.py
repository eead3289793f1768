"""Several shards that archive on one Hub at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest
import tenacity

from atlas.vault import Vault
from atlas.vault.layout import decode_part, is_part, video_of
from atlas.vault.providers.hub_retries import HubRetries
from atlas.vault.providers.huggingface import HuggingFaceProvider
from atlas.vault.reader import load

from ...support.fake_hf_hub import Fault, Hub
from .conftest import hub_provider

pytestmark = pytest.mark.integration

DAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
SHARDS, FLUSHES, RECORDS = 6, 3, 20


def a_provider(hub: Hub) -> HuggingFaceProvider:
    provider = hub_provider(hub, retries=HubRetries(tenacity.wait_random(0.0, 0.05)))
    provider.folder_limit = hub.folder_limit
    return provider


async def shards(hub: Hub, layout: Any) -> set[str]:
    """All of them at once. Returns the videos that were reported as stored."""

    async def shard(number: int) -> list[str]:
        store = Vault(a_provider(hub), layout, now=lambda: NOW)
        stored: list[str] = []
        for flush in range(FLUSHES):
            for n in range(RECORDS):
                store.store_metadata(f"video-{number}-{flush}-{n}", {"n": n})
            stored += (await store.flush()).stored
        return stored

    reported = await asyncio.gather(*(shard(number) for number in range(SHARDS)))
    return {video_id for stored in reported for video_id in stored}


def kept(hub: Hub) -> tuple[Counter[str], Counter[str]]:
    """How often each video stands in files and in parts."""
    files = Counter(video_id for path in hub.files if (video_id := video_of(path)))
    parts = [decode_part(body, path) for path, body in hub.files.items() if is_part(path)]
    return files, Counter(record.video_id for part in parts for record in part)


async def test_each_flush_of_packed_shards_is_one_commit(hub: Hub) -> None:
    stored = await shards(hub, "packed")
    assert len(stored) == SHARDS * FLUSHES * RECORDS
    assert len(hub.commits) == SHARDS * FLUSHES
    assert kept(hub) == (Counter(), Counter(stored))


async def test_a_folder_that_shards_fill_together_goes_over_to_parts_and_no_record_is_lost(hub: Hub) -> None:
    hub.folder_limit = 150  # less than half of what they bring, and more than each of them
    stored = await shards(hub, "files")
    files, parts = kept(hub)
    assert len(stored) == SHARDS * FLUSHES * RECORDS
    assert files + parts == Counter(stored), "each is there once"
    assert 100 < files.total() <= hub.folder_limit
    assert len(hub.commits) == SHARDS * FLUSHES
    some = [min(files), max(files), min(parts), max(parts)]
    assert [record and record.video_id for record in (load(a_provider(hub), id_, DAY) for id_ in some)] == some


@pytest.mark.parametrize("layout", ["files", "packed"])
async def test_a_hub_that_fails_now_and_then_neither_loses_nor_doubles_anything(hub: Hub, layout: str) -> None:
    faults = ["lost", 503, "cut", "half", 412, Fault(429, headers={"Retry-After": "0"}), "garbage"]
    hub.faults = {"commit": [*faults, *faults], "preupload": list(faults)}
    stored = await shards(hub, layout)
    files, parts = kept(hub)
    assert len(stored) == SHARDS * FLUSHES * RECORDS
    assert files + parts == Counter(stored)
    assert len(hub.commits) == SHARDS * FLUSHES
    assert hub.faults == {"commit": [], "preupload": []}
