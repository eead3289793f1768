"""A local YouTube Data API, for trying Maia, for demos and for tests: no key, no network.

::

    from maia.sandbox import SandboxConfig, running

    async with running(SandboxConfig(seed=1)) as sandbox:
        ...  # sandbox.base_url is what YOUTUBE_API_BASE_URL has to be; sandbox.log has every call

As a process of its own it is ``maia sandbox``.
"""

from maia.sandbox.clock import ManualClock, ScheduleClock
from maia.sandbox.config import SandboxConfig
from maia.sandbox.server import RunningSandbox, running, serve

__all__ = ["ManualClock", "RunningSandbox", "SandboxConfig", "ScheduleClock", "running", "serve"]
