"""The notifier through Apprise's own json:// service to a real local HTTP server."""

from __future__ import annotations

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from atlas import notifier
from atlas.config import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.integration,
    # Apprise's mail service imports imghdr, which Python 3.11 calls deprecated
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]

PATH_TOKEN = "pathTokenThatIsSecret"


class Server:
    def __init__(self) -> None:
        self.status = 200
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.port = 0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(notifier, "_said", set())
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.received.append((self.path, body))
            self.send_response(state.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    http = HTTPServer(("127.0.0.1", 0), Handler)
    state.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.mark.parametrize(("status", "taken"), [(200, True), (500, False)])
async def test_a_message_is_delivered_or_its_failure_logged_without_the_url(
    server: Server, status: int, taken: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.status = status
    url = f"json://user:password@127.0.0.1:{server.port}/{PATH_TOKEN}"
    with settings.override(notify_urls=SecretStr(url)):
        assert await notifier.notify("Key suspended", "a1b2c3 <script>", "warning") is taken

    ((path, body),) = server.received
    assert path == f"/{PATH_TOKEN}"
    assert (body["title"], body["message"], body["type"]) == ("Key suspended", "a1b2c3 <script>", "warning")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("atlas")]
    assert len(ours) == (0 if taken else 1)
    assert PATH_TOKEN not in caplog.text
    assert "password" not in caplog.text


async def test_a_service_that_shows_html_gets_texts_from_outside_escaped(server: Server) -> None:
    with settings.override(notify_urls=SecretStr(f"json://127.0.0.1:{server.port}/?format=html")):
        assert await notifier.notify("title", "<script>alert(1)</script>")
    ((_, body),) = server.received
    assert "<script>" not in body["message"]
    assert "&lt;script&gt;" in body["message"]


async def test_a_server_that_is_gone_is_a_failure_that_is_not_raised(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with settings.override(notify_urls=SecretStr(f"json://127.0.0.1:9/{PATH_TOKEN}")):
        assert await notifier.notify("title", "body") is False
    assert PATH_TOKEN not in caplog.text
