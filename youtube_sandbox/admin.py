"""The sandbox's own routes beside the API: its state and its faults.

Neither costs quota or is logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from atlas.errors import ConfigError
from atlas.quota.buckets import quota_day

if TYPE_CHECKING:
    from youtube_sandbox.server import Sandbox

__all__ = ["PATH", "add_routes"]

PATH: Final = "/_sandbox"


def add_routes(app: web.Application, sandbox: Sandbox) -> None:
    """Add the routes to the application."""

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

    async def faults(request: web.Request) -> web.Response:  # noqa: ARG001
        return _json(sandbox.faults.as_list())

    async def set_faults(request: web.Request) -> web.Response:
        specs = _strings(await request.read())
        if specs is None:
            return _refuse('send a JSON list of fault specifications, such as ["rate-limit:search:times=3"]')
        try:
            sandbox.faults.set(specs)
        except ConfigError as error:
            return _refuse(str(error))
        return _json(sandbox.faults.as_list())

    app.router.add_get(f"{PATH}/state", state)
    app.router.add_get(f"{PATH}/faults", faults)
    app.router.add_post(f"{PATH}/faults", set_faults)


def _strings(body: bytes) -> list[str] | None:
    """Return the list of texts that a body is; None for anything else."""
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


def _refuse(message: str) -> web.Response:
    return _json({"error": message}, 400)
