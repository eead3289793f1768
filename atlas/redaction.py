"""Remove secrets from texts: values that were registered, and whatever looks like a secret."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# For texts of foreign libraries: known secrets by value, and what looks like a secret.
_known: set[str] = set()
_LOOKS_SECRET = (
    # bounded, since each colon of a long text without blanks begins a search
    (re.compile(r"(://[^/\s:@]*):\S{0,4096}@"), r"\1:***@"),
    # without a scheme; not the digest of an image
    (re.compile(r"(?<![\w/])([\w.+%~-]{1,64}):(?!//)\S{0,1024}@(?!sha256:)(?=[\w\[.-])"), r"\1:***@"),
    (re.compile(r"(?i)\b(key|token|password|signature|x-goog-api-key)(=|:\s*)[^\s&'\",;]+"), r"\1\2***"),
    (re.compile(r"(?i)([\w-](?:key|token|password|secret|signature)=)[^\s&'\",;]+"), r"\1***"),
    (re.compile(r"(?i)(['\"][\w-]*(?:key|token|password|secret)['\"]:\s*['\"])[^'\"]+"), r"\1***"),
    (re.compile(r"(?i)\b(bearer )[^\s'\",;]+"), r"\1***"),
    (re.compile(r"AIza[0-9A-Za-z_-]{20,}"), "***"),
    (re.compile(r"hf_[A-Za-z0-9]{20,}"), "***"),
)
_SHORTEST_KNOWN = 4  # a short key must not blank every text
_SHORTEST_PIECE = 8  # of a part of a password, or of a variable that only looks secret
_DELIMITERS = re.compile(r"[/?#@:&;=\[\]\s\\]+")  # where a parser may cut a password
_NAMED_PASSWORD = re.compile(
    r"(?i)\b\w*(?:password|passwd|pwd|secret|token|accountkey|signature|sig)\s*=\s*"
    r"('(?:[^'\\]|\\.)*'|[^\s&;]+(?:;(?!\s*[a-z][a-z ]*=)[^\s&;]*)*)"
)
_SECRET_NAME = re.compile(r"(?i)(?:password|passwd|secret|token|(?:access|secret|api|account)_?key)$")
_ADDRESS_NAME = re.compile(r"(?i)(?:_url|_urls|_uri|_dsn|_proxy|_endpoint|_connection_string)(?:_\w+)?$")


def remember_secret(value: str) -> None:
    """Make `scrub` remove this value, also as Python and JSON quote it."""
    if len(value) >= _SHORTEST_KNOWN:
        _known.update((value, repr(value)[1:-1], json.dumps(value)[1:-1]))


def remember_password(address: str) -> None:
    """Make `scrub` remove the passwords of an address, as written and percent-decoded.

    The address may lack a scheme, have libpq's form `name=value`, or be wrong.
    """
    found = list(_passwords(address))
    for password in found:
        # where a password holds an @, what stands before it is a piece
        cut = any(other.startswith(f"{password}@") and "/" not in other[len(password) :] for other in found)
        meant = unquote(password)
        pieces = _DELIMITERS.split(password)
        # what a parser cuts off first and decodes then
        pieces += [unquote(piece) for piece in pieces] + _DELIMITERS.split(meant)
        for form in (password, meant, quote(meant, safe=""), quote(meant), *pieces):
            if (form in {password, meant} and not cut) or len(form) >= _SHORTEST_PIECE:
                remember_secret(form)


def remember_environment(variables: Mapping[str, str]) -> None:
    """Make `scrub` remove the values of variables whose names say that they hold secrets or addresses.

    Any client or message may show them, so they need be neither settings of Maia nor correct.
    """
    for name, value in variables.items():
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_PIECE:
            remember_secret(value)
        if _ADDRESS_NAME.search(name):
            for word in value.split():
                remember_password(word)
            remember_password(value)


def without_login(address: str) -> str:
    """Return an address without user, password and parameters, for messages."""
    scheme, colon, rest = address.rpartition("://")
    place = rest.rpartition("@")[2] if "@" in rest else rest
    return f"{scheme}{colon}{'***@' if '@' in rest else ''}{re.split('[?#]', place, maxsplit=1)[0]}"


def _passwords(address: str) -> Iterator[str]:
    rest = address.partition("://")[2] or address
    before = rest.partition("?")[0]
    # where the password holds an @, each may be its end; those of parameters are not, unless there is no other
    for at in islice(re.finditer("@", before if "@" in before else rest), 20):
        _, colon, password = rest[: at.start()].partition(":")
        if colon and password:
            yield password
    for match in _NAMED_PASSWORD.finditer(rest):
        value = match[1]
        yield re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] == "'" and value[-1] == "'" and value[1:] else value


def one_line(error: BaseException) -> str:
    """Return an error's text on one line without any secret, or its class if it has no text."""
    return " ".join(scrub(str(error)).split()) or type(error).__name__


def scrub(text: str) -> str:
    """Return the text without any secret that is known or looks like one."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, "***")
    for pattern, replacement in _LOOKS_SECRET:
        text = pattern.sub(replacement, text)
    return text
