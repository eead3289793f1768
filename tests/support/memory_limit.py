"""Run code in a process of its own whose memory is limited, and measure what it takes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

__all__ = ["run_measured"]

_FRAME = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
def peak():
    # not ru_maxrss, which a process inherits from the one that started it
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
def measured(work):
    before = peak()
    result = work()
    print(peak() - before)
    return result
"""


def run_measured(script: str, *arguments: str | Path, limit: int = 1 << 30) -> tuple[int, str]:
    """Return how many bytes of memory ``measured(work)`` took in the script, and what the script printed after it.

    The script fails where it needs more than the limit of address space.
    """
    code = _FRAME.format(limit=limit) + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    taken, _, printed = done.stdout.partition("\n")
    return int(taken) * 1024, printed
