"""Reading the workflows of the checkout as GitHub reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .documents import CHECKOUT

FOLDER = CHECKOUT / ".github" / "workflows"
MAIA = "maia.yml"
AGENTS = ("hunter", "tracker")
CALLERS = tuple(f"{agent}.yml" for agent in AGENTS)
JANITOR = "janitor.yml"
REPORT = "report.yml"
WATCH = "watch.yml"


def path(name: str) -> Path:
    if not FOLDER.is_dir():
        pytest.skip("there are no workflows beside these tests", allow_module_level=True)
    return FOLDER / name


def text(name: str) -> str:
    """The file as it is written on main, comments and all: what the commit of a release pins is undone."""
    written = re.sub(
        r"( \|\| 'ghcr\.io/pleiades/maia@sha256:[0-9a-f]{64}')", "", path(name).read_text(encoding="utf-8")
    )
    return re.sub(r"(pleiades/maia)@[0-9a-f]{40} # v\d+\.\d+\.\d+$", r"\1@v1", written, flags=re.MULTILINE)


def workflow(name: str) -> dict[str, Any]:
    """The file's content; every scalar is a text, so that `on` is a key and no truth value."""
    content: dict[str, Any] = yaml.load(text(name), Loader=yaml.BaseLoader)
    return content


def jobs(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = workflow(name)["jobs"]
    return found


def step_of_maia(job: dict[str, Any]) -> dict[str, Any]:
    """The one step of a job that runs Maia."""
    (step,) = (step for step in job["steps"] if step["uses"].startswith("pleiades/maia@"))
    return dict(step)


def uses(name: str) -> Iterator[tuple[str, str]]:
    """Whatever a workflow uses: what, and the rest of its line."""
    for match in re.finditer(r"^\s*(?:- )?uses: (\S+)(.*)$", text(name), re.MULTILINE):
        yield match[1], match[2]
