"""A signal in the first moments of a process, while it is still importing."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from ..children import popen

pytestmark = [pytest.mark.integration, pytest.mark.wheel]

# the import of the command line takes for ever here, so that the signal certainly comes in the middle of it
SLOW_IMPORT = """
import importlib.abc, runpy, sys, time
class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "maia.cli":
            print("importing", flush=True)
            time.sleep(300)
sys.meta_path.insert(0, Slow())
"""
ENTRIES = {
    "python -m maia": "runpy.run_module('maia', run_name='__main__')",
    "maia": "from maia.__main__ import main; main()",
    "maia-hunter": "from maia.__main__ import hunter; hunter()",
    "maia-tracker": "from maia.__main__ import tracker; tracker()",
}


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_signal_ends_a_process_that_is_still_importing(entry: str, signum: signal.Signals, code: int) -> None:
    command = [sys.executable, "-c", f"{SLOW_IMPORT}\n{ENTRIES[entry]}"]
    pipe = subprocess.PIPE
    with popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signum)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == code, "its own code, not the kernel's: the first process of a container has only that"
    assert errors == ""
