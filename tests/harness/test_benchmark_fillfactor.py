"""The measurement of fillfactors, in small."""

from __future__ import annotations

import pytest

pytest.importorskip("harness.benchmarks", reason="the benchmarks are part of the checkout")

from harness.benchmarks.fillfactor import rounds_with

pytestmark = pytest.mark.integration


async def test_room_on_the_pages_keeps_claims_on_them() -> None:
    full, half = [await rounds_with(fillfactor, 1_000, 2) for fillfactor in (100, 50)]
    assert half.sizes[0] > 1.5 * full.sizes[0]
    assert [len(full.sizes), len(full.hot), len(full.wal)] == [3, 2, 2]
    assert half.hot[0] > 0.9 > full.hot[0]
    assert half.wal[0] < full.wal[0]
