"""Start the local YouTube Data API as a child process."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.driver.processes import Child, Children, end_of_log

_PATIENCE = 120.0  # seconds: it may make its whole world first, on a busy machine
_PLENTY = "1000000000"
NO_QUOTA = ("--quota-search", _PLENTY, "--quota-units", _PLENTY, "--quota-batch", _PLENTY)
"""Options with which no shard ever waits for quota."""


class SandboxFailed(Exception):
    """The sandbox did not start; the message has the end of its log."""


async def start_sandbox(
    children: Children, folder: Path, environment: Mapping[str, str], options: Sequence[str]
) -> tuple[Child, str]:
    """Start ``maia sandbox``, which logs its calls in ``calls.jsonl``. Return the process and its base URL.

    Raises SandboxFailed.
    """
    command = [sys.executable, "-m", "maia", "sandbox", "--port", "0", "--log", str(folder / "calls.jsonl"), *options]
    log = folder / "logs" / "sandbox.log"
    child = children.start("sandbox", command, log, environment)
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and child.process.poll() is None:
        address = next((line for line in child.last_lines() if line.startswith("http://")), None)
        if address:
            return child, address
        await asyncio.sleep(0.05)
    raise SandboxFailed(end_of_log("the sandbox did not start.", log))
