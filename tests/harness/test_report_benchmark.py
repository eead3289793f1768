"""The benchmark of the report's page, on a small database."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import pytest

from harness.benchmarks.report import ids, main, titles
from maia.report.columns import Ids

pytestmark = [pytest.mark.integration, pytest.mark.database]


def test_titles_deflate_like_those_of_trending_videos_and_ids_are_like_youtubes() -> None:
    text = "\n".join(titles(3_000, random.Random(1))).encode()
    assert 45 < len(text) / 3_000 < 56
    assert 22 < len(zlib.compress(text, 9)) / 3_000 < 28
    column = Ids()
    for each in ids(100, random.Random(1)):
        column.add(each)
    assert (column.about()["coding"], len(column.data)) == ("ids", 800)


async def test_it_makes_the_pages_and_judges_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await main(60, 4, [20, 60], runs=1, days=30, keep=tmp_path)
    assert "60 videos with 240 snapshots" in capsys.readouterr().out
    small, whole = (len((tmp_path / f"{limit}.html").read_bytes()) for limit in (20, 60))
    assert 50_000 < small < whole
