"""Row 10 of the benchmarks: what the image is made of, and how long it takes to start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.documents import CHECKOUT

pytest.importorskip("harness.benchmarks", reason="the benchmarks are part of the checkout")

pytestmark = pytest.mark.e2e


@pytest.mark.usefixtures("image")
def test_row_10_explains_each_megabyte_and_times_the_start(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "harness.benchmarks", "--rows", "10", "--quick", "--json", str(file)],
        cwd=CHECKOUT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    whole, layers, *parts = json.loads(file.read_text())["lines"]
    starts = [parts.pop(), parts.pop()]
    assert layers["figure"] == pytest.approx(whole["figure"] - whole["limit"])
    assert sum(line["figure"] for line in parts) == pytest.approx(layers["figure"])
    assert not [line["what"] for line in parts if "?" in line["what"]], (
        "harness.benchmarks.rows.container.PURPOSE has no word"
    )
    assert parts[-1]["what"] == "image: links, configuration, the user"
    assert parts[-1]["figure"] < 1
    for line in starts:
        assert line["figure"] > line["limit"] > 0
