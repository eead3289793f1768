"""The sandbox's own doors, beside the API: its log, its state, its faults, and a way to delete videos."""

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
    """Adds them to the application. None of them costs quota or is logged."""
    doors = _Doors(sandbox)
    app.router.add_get(f"{PATH}/log", doors.log)
    app.router.add_delete(f"{PATH}/log", doors.clear_log)
    app.router.add_get(f"{PATH}/state", doors.state)
    app.router.add_get(f"{PATH}/faults", doors.faults)
    app.router.add_post(f"{PATH}/faults", doors.set_faults)
    app.router.add_post(f"{PATH}/delete", doors.delete)


class _Doors:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def log(self, request: web.Request) -> web.Response:
        """All calls, oldest first; ?endpoint= &key=FINGERPRINT &status= &agent= &since=SEQ narrow it."""
        query = request.query
        try:
            status = int(query["status"]) if query.get("status") else None
            since = int(query.get("since") or 0)
        except ValueError:
            return _refuse("status and since are whole numbers")
        entries = self._sandbox.log.calls(
            query.get("endpoint") or None,
            key=query.get("key") or None,
            status=status,
            agent=query.get("agent") or None,
            since=since,
        )
        return _json([entry.as_dict() for entry in entries])

    async def clear_log(self, request: web.Request) -> web.Response:  # noqa: ARG002  a handler's signature
        """Forgets all calls."""
        self._sandbox.log.clear()
        return _json({"calls": 0})

    async def state(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """The world, the clock, what was spent by project and day, the calls by endpoint and status, the faults."""
        sandbox = self._sandbox
        now = sandbox.clock.now()
        return _json(
            {
                "world": sandbox.world.describe(),
                "clock": {"now": now.isoformat(), "quota_day": quota_day(now).isoformat(), "spec": str(sandbox.clock)},
                "quota": {
                    "limits": {bucket.value: limit for bucket, limit in sandbox.quota.limits.items()},
                    "spent": sandbox.quota.table(),
                    "refused": sandbox.quota.refused(),
                },
                "calls": sandbox.log.totals(),
                "faults": sandbox.faults.as_list(),
            }
        )

    async def faults(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """The faults in force, and how often each struck."""
        return _json(self._sandbox.faults.as_list())

    async def set_faults(self, request: web.Request) -> web.Response:
        """Replaces all faults by a JSON list of specifications; [] ends them."""
        specs = await _strings(request)
        if specs is None:
            return _refuse('send a JSON list of fault specifications, such as ["rate-limit:search:times=3"]')
        try:
            self._sandbox.faults.set(specs)
        except ConfigError as error:
            return _refuse(str(error))
        return _json(self._sandbox.faults.as_list())

    async def delete(self, request: web.Request) -> web.Response:
        """Deletes the videos of {"ids": […]} from now on; says which there were."""
        ids = await _strings(request, "ids")
        if ids is None:
            return _refuse('send {"ids": ["VIDEO_ID", …]}')
        at = self._sandbox.clock.now().timestamp()
        deleted = [identifier for identifier in ids if self._sandbox.world.delete(identifier, at)]
        return _json({"deleted": deleted, "unknown": [identifier for identifier in ids if identifier not in deleted]})


async def _strings(request: web.Request, name: str | None = None) -> list[str] | None:
    """The list of texts that a request's body is, or has under a name; None for anything else."""
    try:
        value: Any = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        return None
    if name is not None:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return value


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


def _refuse(message: str) -> web.Response:
    return _json({"error": message}, 400)
