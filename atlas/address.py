"""What DATABASE_URL says beside where the server is: whether a pooler stands before it, and how TLS is to be."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_plus

from atlas.errors import ConfigError

__all__ = ["Address"]

# what hosts put into the addresses they hand out for libpq: the driver would send them to the server, which refuses
_LIBPQ_ONLY = {
    "channel_binding", "connect_timeout", "gssencmode", "keepalives", "keepalives_count", "keepalives_idle",
    "keepalives_interval", "load_balance_hosts", "pgbouncer", "sslcompression", "sslnegotiation", "sslsni",
    "tcp_user_timeout",
}  # fmt: skip
_TLS = {"sslmode", "sslrootcert", "sslcert", "sslkey"}
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True)
class Address:
    """An address as the driver can use it.

    Attributes:
        dsn: without the parameters that only libpq knows.
        pooled: what ``pgbouncer=`` says, in the convention of Prisma and Supabase: True for a pooler in transaction
            mode, False for none or one in session mode, None where it is left to be found out.
        tls: what makes a connection safe, where the driver cannot make it of the parameters by itself.
    """

    dsn: str
    pooled: bool | None = None
    tls: ssl.SSLContext | None = None

    @classmethod
    def parse(cls, url: str) -> Address:
        """Reads a DATABASE_URL. Raises ConfigError for a parameter that cannot be; no part of it but that is shown."""
        address, _, query = url.partition("?")
        parts = [part for part in query.split("&") if part]
        given = {unquote_plus(name): unquote_plus(value) for name, _, value in (part.partition("=") for part in parts)}
        for name in _FILES:
            _look_at_file(name, given.get(name, ""))
        tls = _system_trust(given) if given.get("sslrootcert") == "system" else None
        dropped = _LIBPQ_ONLY | (_TLS if tls else set())
        kept = [part for part in parts if unquote_plus(part.partition("=")[0]) not in dropped]
        return cls(address + ("?" + "&".join(kept) if kept else ""), _pooled(given.get("pgbouncer")), tls)


def _pooled(word: str | None) -> bool | None:
    if word is None:
        return None
    try:
        return _WORDS[word.lower()]
    except KeyError:
        raise ConfigError(
            "DATABASE_URL: pgbouncer= is true for a pooler in transaction mode, false for one in session mode; "
            "leave it out otherwise."
        ) from None


def _look_at_file(name: str, path: str) -> None:
    if not path or (name == "sslrootcert" and path == "system"):
        return
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise ConfigError(
            f"DATABASE_URL: {name}={path} cannot be read: {error.strerror}. "
            "Name a file of the machine that this runs on; a container needs it mounted."
        ) from None


def _system_trust(given: dict[str, str]) -> ssl.SSLContext:
    """As libpq has it: the authorities that this machine trusts, who sign for anybody; so the host's name must fit."""
    if given.get("sslmode", "verify-full") != "verify-full":
        raise ConfigError("DATABASE_URL: sslrootcert=system goes with sslmode=verify-full alone. Write both.")
    context = ssl.create_default_context()
    context.set_alpn_protocols(["postgresql"])
    if "sslcert" in given:
        try:
            context.load_cert_chain(given["sslcert"], given.get("sslkey"))
        except ssl.SSLError as error:
            raise ConfigError(f"DATABASE_URL: sslcert and sslkey cannot be used: {error.reason}.") from None
    return context
