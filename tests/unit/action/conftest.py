"""A step of the action, run as the runner runs it, with a fake `docker` that plays given behaviour."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ...support.action_step import DSN, POOL, FakeDocker, Step


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[FakeDocker]:
    fake = FakeDocker(tmp_path)
    yield fake
    assert not (fake.folder / "leaked").exists(), "a secret was on a command line"
    assert fake.left == []


@pytest.fixture
def step(tmp_path: Path, docker: FakeDocker) -> Iterator[Step]:
    step = Step(
        tmp_path,
        {
            "PATH": f"{docker.bin}:/usr/bin:/bin",
            "FAKE_DOCKER": str(docker.folder),
            "DATABASE_URL": DSN,
            "YOUTUBE_API_KEY_POOL_JSON": POOL,
            "MAIA_INPUT_IMAGE": "maia:test",
        },
    )
    with step.opened:
        yield step
