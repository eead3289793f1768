"""The heartbeat of good runs, on a real HTTP server."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from pydantic import SecretStr

from atlas.config import settings
from atlas.notifier.heartbeat import call_heartbeat
from maia.run import record_run
from maia.runtime.exits import ChurnExit

from ..support.fake_webhook import listening

pytestmark = pytest.mark.integration


class Service:
    """The answers still to give, and the paths that were called."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.calls: list[str] = []


@contextlib.contextmanager
def heartbeats(*statuses: int) -> Iterator[Service]:
    state = Service(*statuses)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            state.calls.append(self.path)
            self.send_response(state.statuses.pop(0) if state.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with listening(Handler) as port:
        address = SecretStr(f"http://127.0.0.1:{port}/ping/secretPath")
        with settings.override(heartbeat_url=address):
            yield state


@pytest.mark.parametrize(
    ("statuses", "calls", "problem"),
    [((200,), 1, ""), ((500, 200), 2, ""), ((404, 404), 2, "answered 404")],
    ids=["accepted", "accepted at the second try", "refused"],
)
async def test_a_service_is_called_and_asked_twice_at_most(
    caplog: pytest.LogCaptureFixture, statuses: tuple[int, ...], calls: int, problem: str
) -> None:
    with heartbeats(*statuses) as service, caplog.at_level(logging.DEBUG):
        await call_heartbeat()
    assert service.calls == ["/ping/secretPath"] * calls
    assert "secretPath" not in caplog.text
    assert ("the service of HEARTBEAT_URL" in caplog.text) == bool(problem)
    assert problem in caplog.text


async def test_a_service_that_cannot_be_reached_or_is_silent_fails_no_run(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/secretPath"
        with settings.override(heartbeat_url=SecretStr(address)):
            await call_heartbeat(0.2)
    with settings.override(heartbeat_url=SecretStr("http://127.0.0.1:1/secretPath")):
        await call_heartbeat()
    assert [record.message.partition(" HEARTBEAT_URL ")[2] for record in caplog.records] == [
        "did not answer in time", "cannot be reached (ClientConnectorError)",
    ]  # fmt: skip


async def test_only_good_runs_of_agents_call_it(db: object) -> None:
    async def good() -> dict[str, object]:
        return {"outcome": "ok"}

    async def churned() -> dict[str, object]:
        raise ChurnExit("too fast")

    with heartbeats() as service:
        await record_run("tracker", "0/1", good)
        await record_run("plan", "0/1", good)
        with pytest.raises(ChurnExit):
            await record_run("hunter", "0/1", churned)
    assert len(service.calls) == 1
