"""Find the proxy of an address, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY or their lower-case forms.

These variables belong to every HTTP client, so they are not settings of Maia: the standard library reads them.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from atlas.config.definitions import environment
from atlas.errors import ConfigError
from atlas.hosts import is_this_machine
from atlas.redaction import remember_password

_HOST = re.compile(r"[\w.:%-]+")


@dataclass(frozen=True)
class Proxy:
    """A proxy. Only ``password`` is a secret."""

    setting: str  # the variable that names it, in upper case
    url: str  # scheme, host and port
    user: str | None = None
    password: str = ""

    def __str__(self) -> str:
        return f"the proxy {self.url} ({self.setting})"

    def __repr__(self) -> str:
        return f"Proxy({self})"


def proxy_of(address: str) -> Proxy | None:
    """Return the proxy through which a request to the address goes; None for a direct connection.

    An address of this machine (`localhost`, 127.0.0.0/8, `::1`) is never reached through a proxy. Raise ConfigError,
    which does not show the variable's value, if it does not name an HTTP proxy.
    """
    target = urlsplit(address)
    given = getproxies().get(target.scheme, "").strip()
    host = target.hostname or ""
    if not given or is_this_machine(host) or proxy_bypass(host):
        return None
    setting = f"{target.scheme.upper()}_PROXY"
    written = given if "://" in given else f"http://{given}"  # as curl takes it
    remember_password(written)
    try:
        parts = urlsplit(written)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    # an @ after the host, or a character that no host has: the host may be half a password
    host, elsewhere = parts.hostname or "", parts.path + parts.query + parts.fragment
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(host) or "@" in elsewhere:
        raise ConfigError(
            f"{setting} is not the address of an HTTP proxy. Write it like http://proxy.example.com:3128, with "
            "USER:PASSWORD@ before the host if it requires them (special characters percent-encoded). SOCKS is not "
            "supported."
        )
    name = f"[{host}]" if ":" in host else host
    url = f"{parts.scheme}://{name}:{port or (443 if parts.scheme == 'https' else 80)}"
    user = None if parts.username is None else unquote(parts.username)
    return Proxy(setting, url, user, unquote(parts.password or ""))


def authority_advice() -> str:
    """Return what to do if a certificate is not trusted. OpenSSL ignores a file that cannot be read."""
    file = environment().get("SSL_CERT_FILE")
    if file is not None and not os.access(file, os.R_OK):
        return f"SSL_CERT_FILE names '{file}', which cannot be read: correct or unset it."
    return "If your network inspects TLS, set SSL_CERT_FILE to a file with its certificate authority."
