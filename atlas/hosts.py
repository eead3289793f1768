"""Distinguish near hosts from far ones by address or name alone; nothing is looked up."""

from __future__ import annotations

import contextlib
import ipaddress

__all__ = ["is_near", "is_this_machine"]

# top-level names that the public DNS will never have (RFC 6761, 6762, 8375; ICANN 2024)
_PRIVATE_NAMES = ("localhost", "local", "internal", "home.arpa")


def is_near(host: str) -> bool:
    """Return whether a host is this machine or on a private network, for whose names no public authority signs.

    An empty host is this machine's socket or the loopback.
    """
    if (number := _number(host)) is not None:
        return number.is_loopback or number.is_private or number.is_link_local
    name = host.rstrip(".").lower()
    return host.startswith(("/", "@")) or "." not in name or name.endswith(tuple(f".{end}" for end in _PRIVATE_NAMES))


def is_this_machine(host: str) -> bool:
    """Return whether a host is the loopback: `localhost`, 127.0.0.0/8 or `::1`."""
    if (number := _number(host)) is not None:
        return number.is_loopback
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")


def _number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with contextlib.suppress(ValueError):
        number = ipaddress.ip_address(host.strip("[]").partition("%")[0])
        return getattr(number, "ipv4_mapped", None) or number
    return None
