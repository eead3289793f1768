"""A service that speaks the protocol of a Pushgateway, as far as a push goes."""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Gateway", "Push", "pushgateway"]


@dataclass(frozen=True)
class Push:
    """One request."""

    method: str
    path: str
    login: str
    body: str


@dataclass
class Gateway:
    """A running service; ``status`` is what it answers, None: nothing until it is closed."""

    port: int = 0
    status: int | None = 200
    requests: list[Push] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)

    def url(self, *, login: str = "") -> str:
        return f"http://{login}{'@' if login else ''}127.0.0.1:{self.port}"


@contextlib.contextmanager
def pushgateway() -> Iterator[Gateway]:
    """A service until the block ends."""
    gateway = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            login = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            gateway.requests.append(Push(self.command, self.path, login, body))
            if gateway.status is None:
                gateway.closed.wait(30)
                return
            self.send_response(gateway.status)
            if 300 <= gateway.status < 400:
                self.send_header("Location", f"{gateway.url()}/elsewhere")
            self.end_headers()

        do_GET = do_PUT  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        gateway.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield gateway
        finally:
            gateway.closed.set()
            server.shutdown()
            thread.join()
