"""The commands that print what the image is made of and where a shard's time goes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ..markdown import CHECKOUT

pytest.importorskip("benchmarks", reason="the benchmarks are part of the checkout")

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
    shown = figures("benchmarks.container", "--runs", "1")
    for word in ("image start", "Python start", "work", "end", "whole", "hunter", "tracker"):
        assert word in shown


@pytest.mark.usefixtures("image")
def test_what_the_image_is_made_of_is_listed() -> None:
    shown = figures("benchmarks.image", "--no-compressed")
    for word in ("the layers of Maia", "bytecode", "SQLAlchemy", "debugging symbols", "web pages of a Prefect server"):
        assert word in shown
