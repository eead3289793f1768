"""Prefect: used only where a server is configured."""
