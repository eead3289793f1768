"""An S3 store with the habits of stores that are not Amazon's, before a store on this machine."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

__all__ = ["PickyStore", "picky_store"]


@dataclass
class PickyStore:
    """What it refuses, and what it was asked.

    Attributes:
        url: its address, for AWS_ENDPOINT_URL_S3.
        bulk_deletions: status and code of its answer to a bulk deletion without Content-MD5; None: it takes them.
        checksums: status, code and message of its answer to a write with a checksum; None: it takes them.
        writes: status and code of its answer to every write; None: it takes them.
        asked: method and path with query of each request.
    """

    url: str = ""
    bulk_deletions: tuple[int, str, str] | None = None
    checksums: tuple[int, str, str] | None = None
    writes: tuple[int, str, str] | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def refusal(self, method: str, path: str, headers: http.client.HTTPMessage) -> tuple[int, str, str] | None:
        query = urlsplit(path).query
        if method == "POST" and "delete" in query.split("&") and "Content-MD5" not in headers:
            return self.bulk_deletions
        if method == "PUT":
            checksum = any(name.lower().startswith(("x-amz-checksum", "x-amz-sdk-checksum")) for name in headers)
            return (self.checksums if checksum else None) or self.writes
        return None


@contextmanager
def picky_store(behind: str) -> Iterator[PickyStore]:
    """Run it before the store at an address."""
    store = PickyStore()
    host = urlsplit(behind).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            store.asked.append((self.command, self.path))
            if refusal := store.refusal(self.command, self.path, self.headers):
                status, code, message = refusal
                text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
                self._answer(status, [("Content-Type", "application/xml")], text)
                return
            connection = http.client.HTTPConnection(host, timeout=30)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            said = answer.read()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
            self._answer(answer.status, kept, said)
            connection.close()

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815  http.server's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    store.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


_HOP = {"content-length", "transfer-encoding", "connection", "date", "server"}
