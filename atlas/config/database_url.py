"""Parse DATABASE_URL: whether it leads to a pooler, and how TLS is used.

Without ``sslmode`` the host decides. On this machine or a private network, whose names get no public certificates, TLS
is used if the server has it; for any other host the server's certificate is verified.
"""

from __future__ import annotations

import contextlib
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from atlas.errors import ConfigError
from atlas.hosts import is_near

# hosts add these to addresses for libpq; the driver would send them to the server, which refuses them
_LIBPQ_ONLY = {
    "channel_binding", "connect_timeout", "gssencmode", "keepalives", "keepalives_count", "keepalives_idle",
    "keepalives_interval", "load_balance_hosts", "pgbouncer", "sslcompression", "sslnegotiation", "sslsni",
    "tcp_user_timeout",
}  # fmt: skip
_TLS = {"sslmode", "sslrootcert", "sslcert", "sslkey"}
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_EXAMPLE = "postgresql://user:password@host:5432/database"
_SCHEME = re.compile(r"(?:psql\s+)?['\"]?(jdbc:)?(\w+)(\+\w+)?://(.*)", re.DOTALL | re.IGNORECASE)
_POSTGRES = {"postgresql", "postgres"}
_RAW = re.compile(r"%(?![0-9A-Fa-f]{2})|[@#/?\[\]]")  # characters with a meaning in an address
_PORTS = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?(,(\[[^\]]*\]|[^:,]*)(:\d*)?)*")
_PLACE = re.compile(r"^\?[^=]*@[^@/?#&=]+/[^@/?#&=]+(\?|$)")
# parameters of Prisma, SQLAlchemy, Django, JDBC, Rails, Go, Node and hosts, in lower case: the server would refuse
# them, or they would have no effect
_FOREIGN = {
    name: advice
    for advice, names in {
        "set DATABASE_POOL_SIZE": "connection_limit max_overflow pool pool_max_conns pool_size",
        "set DATABASE_SCHEMA": "currentschema schema",
        "write sslmode=require": "ssl ssl_require",
        "write sslmode=verify-full or sslmode=require": "sslaccept",
        "write sslcert and sslkey": "sslidentity",
        "write target_session_attrs": "targetservertype",
        "write client_encoding, or leave it out": "encoding",
        "leave it out": "adapter async_fallback binary_parameters conn_max_age default_query_exec_mode logintimeout "
        "pool_min_conns pool_pre_ping pool_recycle pool_timeout prepared_statement_cache_size preparethreshold "
        "reconnect rewritebatchedinserts socket_timeout sockettimeout sslfactory statement_cache_size stringtype supa "
        "tcpkeepalive uselibpqcompat workaround",
    }.items()
    for name in names.split()
}
_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True)
class Address:
    """DATABASE_URL in the form that the driver needs."""

    dsn: str  # without the parameters that only libpq knows
    pooled: bool | None = None  # pgbouncer=true: a pooler in transaction mode; None: not given
    tls: ssl.SSLContext | None = None  # if the driver cannot create it from the parameters
    verified_unasked: bool = False  # verified without an sslmode, since the host is not near
    place: str = field(default="", compare=False)  # host and port; empty if an @ may be part of the password

    @classmethod
    def parse(cls, url: str) -> Address:
        """Parse a DATABASE_URL. Raises ConfigError for a wrong parameter; its message shows nothing else of the URL."""
        address, _, query = url.partition("?")
        # the driver, too, ignores a parameter without a value
        parts = [part for part in query.split("&") if part and part.partition("=")[1:] != ("=", "")]
        given = {unquote_plus(name): unquote_plus(value) for name, _, value in (part.partition("=") for part in parts)}
        for name in _FILES:
            _check_file(name, given.get(name, ""))
        unasked = "sslmode" not in given and not all(map(is_near, _hosts(address, given)))
        if unasked:
            given.setdefault("sslrootcert", "system")
        if "sslmode" not in given and given.get("sslrootcert"):
            parts.append("sslmode=verify-full")  # naming an authority implies verification
        tls = _system_trust(given) if given.get("sslrootcert") == "system" else None
        dropped = _LIBPQ_ONLY | (_TLS if tls else set())
        kept = [part for part in parts if unquote_plus(part.partition("=")[0]) not in dropped]
        dsn = address + ("?" + "&".join(kept) if kept else "")
        return cls(dsn, _pooled(given.get("pgbouncer")), tls, unasked, _place(url, given))


def check_url(url: str) -> None:
    """Raise ValueError, which shows no password, if a DATABASE_URL is wrong; does no I/O."""
    match = _SCHEME.fullmatch(url)
    if match is None:
        raise ValueError(f"it must be a URL such as {_EXAMPLE}")
    jdbc, scheme, driver, rest = match.groups()
    start = url[: match.start(4)]
    if jdbc or (driver and scheme.lower() in _POSTGRES):
        tool = "JDBC's" if jdbc else "SQLAlchemy's"
        raise ValueError(f"{start} is {tool} way to begin; write postgresql://, as in {_EXAMPLE}")
    if start not in {"postgresql://", "postgres://"}:
        raise ValueError(f"it must begin with postgresql://, as in {_EXAMPLE}")
    if re.search(r"[\x00-\x20\x7f]", rest):
        raise ValueError("it contains a blank or a line break; copy it again, or write it as %20 in user and password")
    if hint := _unencoded(rest):
        raise ValueError(hint)
    if problems := _problems(rest):
        raise ValueError("; ".join(problems))


def _unencoded(rest: str) -> str | None:
    """Return a hint if user or password contain a character that must be percent-encoded, else None."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    tail = rest[len(authority) :]
    path = re.split(r"[?#]", tail, maxsplit=1)[0]
    # a later @ belongs to a parameter, unless the text before it is not host:port, or host and database follow it
    early = "#" in tail or "@" in path
    if "@" in tail and "@" not in authority:
        early = early or not _PORTS.fullmatch(authority) or _PLACE.search(tail) is not None
    login, at, place = (rest if early else authority).rpartition("@")
    found = dict.fromkeys(_RAW.findall(login))
    if not found:
        return "it contains a #; in user, password and database, # is written as %23" if early else None
    user, colon, password = login.partition(":")
    raw = dict.fromkeys(_RAW.findall(password))
    hidden = f"[password with {' '.join(quote(char, safe='') for char in raw)}]" if raw else "[password]"
    place = re.split(r"[?#]", place if early else place + path, maxsplit=1)[0]
    if "@" in tail and not early:
        place = "…"  # may be a part of the password
    codes = ", ".join(f"{char} as {quote(char, safe='')}" for char in found)
    shown = f"postgresql://{quote(user, safe='%')}{colon}{hidden if colon else ''}{at}{place}"
    return f"in user and password, write {codes}: {shown}"


def _problems(rest: str) -> list[str]:
    """Return what the driver or the server would refuse or misread."""
    address, _, query = rest.partition("?")
    given = [(unquote_plus(part.partition("=")[0]), unquote_plus(part.partition("=")[2])) for part in query.split("&")]
    named = {name: value for name, value in given if value}
    found = []
    authority, _, database = address.partition("/")
    if not _PORTS.fullmatch(authority.rpartition("@")[2]):
        found.append("host and port cannot be read; the port is a number")
    if not database and not named.keys() & {"dbname", "database", "service"}:
        found.append(f"it names no database; add its name behind host and port, as in {_EXAMPLE}")
    found += [
        f"the parameter {name} is another tool's; {_FOREIGN[name.lower()]}"
        for name in named
        if name.lower() in _FOREIGN
    ]
    return found


def _hosts(address: str, given: dict[str, str]) -> list[str]:
    """Return the hosts that the driver will try; none if the address cannot be parsed, which the driver reports."""
    with contextlib.suppress(ValueError):
        listed = urlsplit(address).netloc.split("@", 1)[-1] or given.get("host", "")  # as the driver splits it
        return [_host(unquote(one)) for one in listed.split(",")]
    return []


def _place(url: str, given: dict[str, str]) -> str:
    """Return the servers as host:port; "" if an @ may be part of the password."""
    with contextlib.suppress(ValueError):
        netloc = urlsplit(url).netloc
        if "@" in url.partition("://")[2][len(netloc) :]:
            return ""
        port = given.get("port", "5432")
        servers = (netloc.rpartition("@")[2] or given.get("host") or "localhost").split(",")
        return ", ".join(_with_port(unquote(server), port) for server in servers)
    return ""


def _with_port(server: str, port: str) -> str:
    if server.startswith(("/", "@")):
        return f"{server}/.s.PGSQL.{port}"
    return server if re.search(r":\d+$", server.rpartition("]")[2]) else f"{server}:{port}"


def _host(listed: str) -> str:
    """Return a host without its port; an IPv6 address stands in brackets, and a socket's folder may contain colons."""
    if listed.startswith("/"):
        return listed
    if listed.startswith("["):
        return listed[1:].partition("]")[0]
    return listed.partition(":")[0] if listed.count(":") == 1 else listed


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


def _check_file(name: str, path: str) -> None:
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
    """Trust the authorities of this machine, as libpq does; they sign for any host, so its name is checked."""
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
