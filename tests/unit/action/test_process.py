"""The command `docker`: answers that do not come, and work that takes too long."""

from __future__ import annotations

import io

import pytest

from action.cancel import Cancel
from action.errors import EngineError
from action.process import LongCommand, run_docker

from ...support.action_step import FakeDocker, Step


@pytest.fixture
def environ(step: Step) -> dict[str, str]:
    return step.environ({})


def test_an_answer_that_does_not_come_is_not_waited_for(environ: dict[str, str], docker: FakeDocker) -> None:
    docker.plays(pull=[{"code": 0, "block": True}])
    answer = run_docker(["pull", "x"], environ, seconds=1.0)
    assert answer.code < 0
    assert answer.err == b"docker pull: no answer after 1 s"


def test_a_docker_that_may_not_be_run_is_named(environ: dict[str, str], docker: FakeDocker) -> None:
    (docker.bin / "docker").chmod(0o644)
    environ["PATH"] = str(docker.bin)
    with pytest.raises(EngineError, match="docker: Permission denied"):
        run_docker(["version"], environ)
    with pytest.raises(EngineError, match="docker: Permission denied"):
        LongCommand(["version"], environ, bytes).run(Cancel())


def test_only_the_last_of_a_long_output_is_kept(environ: dict[str, str], docker: FakeDocker) -> None:
    docker.plays(pull=[{"code": 0, "output": "x" * 300_000 + "\nend\n"}])
    written = io.BytesIO()
    work = LongCommand(["pull", "x"], environ, written.write)
    assert work.run(Cancel()) == 0
    assert len(written.getvalue()) == 300_005
    assert len(work.tail) == 8192
    assert work.tail.endswith(b"x\nend\n")
