"""Tests leave no process behind, nor a pipe to one, however they end."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from ..support.child_processes import child, finished, popen

TESTS = Path(__file__).resolve().parent.parent
STARTERS = {"create_subprocess_exec", "create_subprocess_shell", "Popen"}
SLEEPS = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)")
ENDS = (sys.executable, "-c", "print('up', flush=True)")
# its own child holds the pipe open after its end
LEAVES = ("sh", "-c", "echo up; sleep 600 & exec sleep 600")
PIPE = subprocess.PIPE


class Failed(Exception):
    """Stands for the assertion that fails inside the block."""


@pytest.mark.parametrize(
    ("command", "options"),
    [(SLEEPS, {}), (ENDS, {}), (LEAVES, {"start_new_session": True}), (SLEEPS, {"stop": signal.SIGTERM})],
    ids=["runs", "has ended", "has a child", "is asked first"],
)
async def test_a_block_that_fails_ends_its_process_and_closes_its_pipes(
    command: tuple[str, ...], options: dict[str, object]
) -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with pytest.raises(Failed):
            async with child(*command, stdout=PIPE, stderr=PIPE, **options) as process:
                assert process.stdout is not None
                assert await process.stdout.readline() == b"up\n"
                if command is ENDS:
                    await process.stdout.read()
                    await process.wait()
                raise Failed
        pid = process.pid
        del process
        gc.collect()
        await asyncio.sleep(0)
    assert [str(one.message) for one in shown if issubclass(one.category, ResourceWarning)] == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_process_gives_its_code_and_output_or_is_killed_after_its_time() -> None:
    code = "import sys; sys.stdout.write('out'); sys.stderr.write('err'); sys.exit(3)"
    assert await finished(sys.executable, "-c", code) == (3, b"out", b"err")
    with pytest.raises(TimeoutError):
        await finished(*SLEEPS, timeout=0.01)


@pytest.mark.parametrize("group", [False, True], ids=["alone", "with its group"])
def test_a_block_of_a_plain_test_does_the_same(group: bool) -> None:
    with (
        contextlib.suppress(Failed),
        popen(LEAVES if group else SLEEPS, stdout=PIPE, start_new_session=group) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        raise Failed
    assert process.returncode == -signal.SIGKILL
    assert process.stdout.closed


def starts(source: str) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in STARTERS
        for node in ast.walk(ast.parse(source))
    )


def test_no_other_module_of_the_tests_starts_a_process_by_itself() -> None:
    texts = {str(path.relative_to(TESTS)): path.read_text(encoding="utf-8") for path in sorted(TESTS.rglob("*.py"))}
    found = [name for name, text in texts.items() if any(word in text for word in STARTERS) and starts(text)]
    assert found == ["clocks/run.py", "support/child_processes.py"], "the first one runs the tests"
