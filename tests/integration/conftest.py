"""Fixtures that only the integration tests need."""

from ..support.prefect_server import mortal_server, prefect_server

__all__ = ["mortal_server", "prefect_server"]
