"""Serve a sandbox on an address: the API, and its own routes beside it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from youtube_sandbox import admin
from youtube_sandbox.server import BASE_PATH, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from youtube_sandbox.catalogue import Catalogue
    from youtube_sandbox.clock import ScheduleClock
    from youtube_sandbox.config import SandboxConfig
    from youtube_sandbox.faults import Faults
    from youtube_sandbox.log import CallLog
    from youtube_sandbox.quota import QuotaBook

__all__ = ["RunningSandbox", "running", "serve"]


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that answers.

    Attributes:
        base_url: the YOUTUBE_API_BASE_URL for it, such as http://127.0.0.1:8080/youtube/v3.
        admin_url: where its state and faults are, such as http://127.0.0.1:8080/_sandbox.
        log, faults, world, clock, quota: its parts, to look at and to change.
    """

    base_url: str
    admin_url: str
    log: CallLog
    faults: Faults
    world: Catalogue
    clock: ScheduleClock
    quota: QuotaBook


@contextlib.asynccontextmanager
async def running(config: SandboxConfig) -> AsyncIterator[RunningSandbox]:
    """Serve a sandbox inside this process until the block ends.

    Raises:
        ConfigError: the data set, the clock or a fault cannot be read.
        OSError: the address cannot be listened on.
    """
    sandbox = Sandbox(config)
    app = sandbox.application()
    admin.add_routes(app, sandbox)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    try:
        await runner.setup()
        await web.TCPSite(runner, config.host, config.port).start()
        host, port = runner.addresses[0][:2]
        root = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        yield RunningSandbox(
            base_url=root + BASE_PATH,
            admin_url=root + admin.PATH,
            log=sandbox.log,
            faults=sandbox.faults,
            world=sandbox.world,
            clock=sandbox.clock,
            quota=sandbox.quota,
        )
    finally:
        await runner.cleanup()
        sandbox.log.close()


async def serve(
    config: SandboxConfig, *, stop: asyncio.Event | None = None, ready: Callable[[RunningSandbox], None] | None = None
) -> None:
    """Serve until `stop` is set or the task is cancelled; call `ready` once it listens. Raises as `running`."""
    async with running(config) as sandbox:
        if ready is not None:
            ready(sandbox)
        await (stop or asyncio.Event()).wait()
