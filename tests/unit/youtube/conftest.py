"""A client whose HTTP calls are answered by aioresponses, with a ring and a stop in memory."""

from collections.abc import AsyncIterator, Iterator

import pytest
from aioresponses import aioresponses

from maia.youtube import YouTubeClient

from ...support.youtube_fakes import BASE, FakeRing, FakeStop


@pytest.fixture
def ring() -> FakeRing:
    return FakeRing()


@pytest.fixture
def stop() -> FakeStop:
    return FakeStop()


@pytest.fixture
def api() -> Iterator[aioresponses]:
    with aioresponses() as mock:
        yield mock


@pytest.fixture
async def client(api: aioresponses, ring: FakeRing, stop: FakeStop) -> AsyncIterator[YouTubeClient]:
    async with YouTubeClient(ring, base_url=BASE + "/", shutdown=stop) as opened:  # type: ignore[arg-type]
        yield opened
