"""The sandbox's own routes beside the API: its log, its state, its faults, and a way to delete videos.

None of them costs quota or is logged.
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

    async def log(request: web.Request) -> web.Response:  # noqa: ARG001  a handler's signature
        return _json([entry.as_dict() for entry in sandbox.log])

    async def state(request: web.Request) -> web.Response:  # noqa: ARG001
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
        specs = _strings(_parsed(await request.read()))
        if specs is None:
            return _refuse('send a JSON list of fault specifications, such as ["rate-limit:search:times=3"]')
        try:
            sandbox.faults.set(specs)
        except ConfigError as error:
            return _refuse(str(error))
        return _json(sandbox.faults.as_list())

    async def delete(request: web.Request) -> web.Response:
        body = _parsed(await request.read())
        ids = _strings(body.get("ids") if isinstance(body, dict) else None)
        if ids is None:
            return _refuse('send {"ids": ["VIDEO_ID", …]}')
        at = sandbox.clock.now().timestamp()
        deleted = [identifier for identifier in ids if sandbox.world.delete(identifier, at)]
        return _json({"deleted": deleted, "unknown": [identifier for identifier in ids if identifier not in deleted]})

    app.router.add_get(f"{PATH}/log", log)
    app.router.add_get(f"{PATH}/state", state)
    app.router.add_get(f"{PATH}/faults", faults)
    app.router.add_post(f"{PATH}/faults", set_faults)
    app.router.add_post(f"{PATH}/delete", delete)


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _strings(value: Any) -> list[str] | None:
    """Return a list of texts as it is; None for anything else."""
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


def _refuse(message: str) -> web.Response:
    return _json({"error": message}, 400)
