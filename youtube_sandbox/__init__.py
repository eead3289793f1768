"""A local YouTube Data API, for trying Maia, for demos and for tests: no key, no network.

::

    from youtube_sandbox import SandboxConfig, running

    async with running(SandboxConfig(seed=1)) as sandbox:
        ...  # sandbox.base_url is the YOUTUBE_API_BASE_URL for it; sandbox.log has every call

As a process of its own it is ``maia sandbox``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from youtube_sandbox.config import ManualClock, SandboxConfig, ScheduleClock

if TYPE_CHECKING:
    from youtube_sandbox.serving import RunningSandbox, running, serve

__all__ = ["ManualClock", "RunningSandbox", "SandboxConfig", "ScheduleClock", "running", "serve"]

_SERVING = ("RunningSandbox", "running", "serve")


def __getattr__(name: str) -> Any:
    # The command line imports this package for one command's help: load a web server only to start one.
    if name in _SERVING:
        return getattr(import_module("youtube_sandbox.serving"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
