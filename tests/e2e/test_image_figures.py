"""The commands that print what the image is made of and where a shard's time goes."""

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


def figures(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=CHECKOUT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.usefixtures("image")
def test_the_time_of_a_shard_is_split() -> None:
    shown = figures("harness.benchmarks.container", "--runs", "1")
    for word in ("image start", "Python start", "work", "end", "whole", "hunter", "tracker"):
        assert word in shown


@pytest.mark.usefixtures("image")
def test_what_the_image_is_made_of_is_listed() -> None:
    shown = figures("harness.benchmarks.image", "--no-compressed")
    for word in ("the layers of Maia", "bytecode", "SQLAlchemy", "debugging symbols", "web pages of a Prefect server"):
        assert word in shown


@pytest.mark.usefixtures("image")
def test_row_10_explains_each_megabyte_and_times_the_start(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    figures("harness.benchmarks", "--rows", "10", "--quick", "--json", str(file))
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
