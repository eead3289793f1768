"""The HTTP server of `--metrics-port`: a small one, that a slow or rude client cannot disturb."""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
from http.server import ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry, MetricsHandler

logger = logging.getLogger(__name__)

_CLIENT_SECONDS: Final = 10.0
"""Seconds that a client may take to ask."""


class MetricsServer(ThreadingHTTPServer):
    """Serve the metrics of a registry on every path, in daemon threads. Raises OSError if the port is taken."""

    def __init__(self, address: str, port: int, registry: CollectorRegistry) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        handler: Any = MetricsHandler.factory(registry)
        handler.timeout = _CLIENT_SECONDS
        super().__init__((address, port), handler)
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="metrics-server", daemon=True
        )
        self._thread.start()

    def server_bind(self) -> None:
        """Bind without asking DNS for the machine's name, as the base class does: that may take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  as socketserver calls it
        """Log a broken connection for `--verbose` only."""
        logger.debug("a client of the metrics went away", exc_info=True)

    @property
    def place(self) -> str:
        """Where it listens, such as ``127.0.0.1:9464``."""
        return (
            f"[{self.server_name}]:{self.server_port}"
            if ":" in self.server_name
            else f"{self.server_name}:{self.server_port}"
        )

    def close(self) -> None:
        """Stop serving and free the port."""
        self.shutdown()
        self._thread.join()
        self.server_close()
