"""A local HTTP server that takes messages as Apprise's json:// service sends them."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Service", "listening", "service"]


class Service:
    """What came in, and what is answered."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.port = 0
        self.answering = threading.Event()
        """While it is not set, requests get no answer."""
        self.answering.set()
        self.came = threading.Event()
        """Set by each request."""

    def url(self, path: str = "") -> str:
        return f"json://127.0.0.1:{self.port}/{path}"

    @property
    def titles(self) -> list[str]:
        return [body["title"] for _, body in self.received]


@contextlib.contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """Serve HTTP on this machine until the block ends; gives the port."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield http.server_port
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@contextlib.contextmanager
def service() -> Iterator[Service]:
    """A service that is there until the block ends."""
    state = Service()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.received.append((self.path, body))
            state.came.set()
            state.answering.wait(60)
            with contextlib.suppress(OSError):  # the client has gone meanwhile
                self.send_response(state.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

    with listening(Handler) as state.port:
        try:
            yield state
        finally:
            state.answering.set()
