"""Serve a sandbox on an address: the API, and its own routes beside it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from atlas.errors import ConfigError
from atlas.quota.buckets import quota_day
from youtube_sandbox.server import BASE_PATH, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from youtube_sandbox.catalogue import Catalogue
    from youtube_sandbox.config import SandboxConfig, ScheduleClock
    from youtube_sandbox.faults import Faults
    from youtube_sandbox.log import CallLog
    from youtube_sandbox.quota import QuotaBook


ADMIN_PATH: Final = "/_sandbox"


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that answers, with its parts to look at and to change."""

    base_url: str  # the YOUTUBE_API_BASE_URL for it, such as http://127.0.0.1:8080/youtube/v3
    admin_url: str  # where its state and faults are, such as http://127.0.0.1:8080/_sandbox
    log: CallLog
    faults: Faults
    world: Catalogue
    clock: ScheduleClock
    quota: QuotaBook


@contextlib.asynccontextmanager
async def running(config: SandboxConfig) -> AsyncIterator[RunningSandbox]:
    """Serve a sandbox inside this process until the block ends.

    Raises ConfigError: the data set, the clock or a fault cannot be read; OSError: the address cannot be listened on.
    """
    sandbox = Sandbox(config)
    app = sandbox.application()
    _add_routes(app, sandbox)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    try:
        await runner.setup()
        await web.TCPSite(runner, config.host, config.port).start()
        host, port = runner.addresses[0][:2]
        root = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        parts = (sandbox.log, sandbox.faults, sandbox.world, sandbox.clock, sandbox.quota)
        yield RunningSandbox(root + BASE_PATH, root + ADMIN_PATH, *parts)
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


def _add_routes(app: web.Application, sandbox: Sandbox) -> None:
    """Add the sandbox's own routes beside the API: its state and its faults. Neither costs quota or is logged."""

    async def state(request: web.Request) -> web.Response:  # noqa: ARG001  a handler's signature
        now = sandbox.clock.now()
        return _json(
            {
                "world": sandbox.world.describe(),
                "clock": {"now": now.isoformat(), "quota_day": quota_day(now).isoformat(), "spec": str(sandbox.clock)},
                "quota": {
                    "limits": {bucket.value: limit for bucket, limit in sandbox.quota.limits.items()},
                    "spent": sandbox.quota.table(),
                },
                "calls": sandbox.log.totals(),
                "faults": sandbox.faults.as_list(),
            }
        )

    async def faults(request: web.Request) -> web.Response:
        if request.method == "POST":
            try:
                sandbox.faults.set(_strings(await request.read()))
            except ConfigError as error:
                return _json({"error": str(error)}, 400)
        return _json(sandbox.faults.as_list())

    app.router.add_get(f"{ADMIN_PATH}/state", state)
    app.router.add_get(f"{ADMIN_PATH}/faults", faults)
    app.router.add_post(f"{ADMIN_PATH}/faults", faults)


def _strings(body: bytes) -> list[str]:
    """Return the list of texts that a body is. Raises ConfigError for anything else."""
    with contextlib.suppress(orjson.JSONDecodeError):
        value: Any = orjson.loads(body)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
    raise ConfigError('send a JSON list of fault specifications, such as ["rate-limit:search:times=3"]')


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
