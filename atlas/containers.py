"""Advice that messages add when Maia runs in its own image."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from atlas.config.definitions import in_image
from atlas.hosts import is_this_machine

__all__ = ["network_advice", "network_advice_for_url"]


def network_advice(place: str) -> str:
    """Return a sentence to add, with a blank before it, if a server of `127.0.0.1:5432, db:5432` is the container."""
    if not in_image():
        return ""
    hosts = (re.sub(r":\d+$", "", server.strip()) for server in place.split(","))
    inside = next((host for host in hosts if is_this_machine(host)), None)
    if inside is None:
        return ""
    return (
        f" In a container without its host's network, {inside} is the container itself: set the input `network: host` "
        "(action, workflow), or give `docker run` the option --network host."
    )


def network_advice_for_url(url: str) -> str:
    """Return `network_advice` for the server of an address such as `http://localhost:4200/api`."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return ""
    return network_advice(f"[{host}]" if host and ":" in host else host or "")
