"""Split what an agent sends on a connection into messages, and name the step of each."""

from __future__ import annotations

import asyncio
import contextlib
import re
import struct
from collections.abc import AsyncIterator
from typing import Protocol

from harness.chaos.steps import name_of

_HEAD = struct.Struct("!cI")
_LENGTH = struct.Struct("!I")
_ENDPOINT = re.compile(rb"GET \S*/(?:videos:)?(\w+)\?")


class Conversation(Protocol):
    def messages(self, reader: asyncio.StreamReader) -> AsyncIterator[tuple[bytes, str | None]]:
        """Yield complete messages, each with its step, if it is one."""


class Postgres:
    """PostgreSQL's protocol: type, length, body."""

    def __init__(self) -> None:
        self._statements: dict[bytes, str] = {}  # the driver's names of what it has prepared → steps

    async def messages(self, reader: asyncio.StreamReader) -> AsyncIterator[tuple[bytes, str | None]]:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            length = await reader.readexactly(_LENGTH.size)  # the first one has no type
            yield length + await reader.readexactly(_LENGTH.unpack(length)[0] - _LENGTH.size), None
            while True:
                head = await reader.readexactly(_HEAD.size)
                kind, size = _HEAD.unpack(head)
                body = await reader.readexactly(size - _LENGTH.size)
                yield head + body, self._step(kind, body)

    def _step(self, kind: bytes, body: bytes) -> str | None:
        match kind:
            case b"P":
                name, text, _ = body.split(b"\0", 2)
                self._statements[name] = name_of(text.decode(errors="replace"))
            case b"B":
                _, name, _ = body.split(b"\0", 2)
                return self._statements.get(name)
            case b"Q":
                return name_of(body.rstrip(b"\0").decode(errors="replace"))
        return None


class Http:
    """The API's: requests without a body."""

    async def messages(self, reader: asyncio.StreamReader) -> AsyncIterator[tuple[bytes, str | None]]:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                endpoint = _ENDPOINT.match(request)
                yield request, f"asks {endpoint[1].decode()}" if endpoint else None
