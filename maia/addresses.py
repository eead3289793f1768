"""Understand what people paste for a video or a channel: ids and addresses of YouTube."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, parse_qs, urlsplit

__all__ = ["Named", "Thing", "UnknownName", "parse_name"]

_VIDEO = re.compile(r"[A-Za-z0-9_-]{11}")
_CHANNEL = re.compile(r"UC[A-Za-z0-9_-]{22}")
_HOSTS = re.compile(r"(?:(?:www|m|music|gaming)\.)?youtube(?:-nocookie)?\.com")
_SHORT_HOST = "youtu.be"
_PATHS = {"shorts", "live", "embed", "v", "e"}  # before the id of a video
_SCHEME = re.compile(r"(?i)https?://|(?=(?:[a-z]+\.)?youtube(?:-nocookie)?\.com(?:/|$)|youtu\.be(?:/|$))")


class Thing(StrEnum):
    """What a name is the name of."""

    VIDEO = "video"
    CHANNEL = "channel"


@dataclass(frozen=True)
class Named:
    """A video or a channel, by its id."""

    thing: Thing
    id: str


class UnknownName(ValueError):
    """Neither an id nor an address that names a video or a channel; the message says what to give."""


def parse_name(text: str) -> Named:
    """Return which video or channel a text names. Raises UnknownName."""
    text = text.strip().strip("<>\"'")
    if _CHANNEL.fullmatch(text):
        return Named(Thing.CHANNEL, text)
    if _VIDEO.fullmatch(text):
        return Named(Thing.VIDEO, text)
    if text.startswith("@") or re.search(r"/@|/(?:c|user)/", text):
        raise UnknownName("handles and names of channels are not stored; give the channel's id, which begins with UC")
    if (scheme := _SCHEME.match(text)) is None:
        raise UnknownName("give a video's id (11 characters), a channel's (UC and 22 more), or an address of YouTube")
    try:
        address = urlsplit("https://" + text[scheme.end() :])
        return _in_address((address.hostname or "").lower(), address)
    except UnknownName:
        raise
    except ValueError:
        raise UnknownName("the address cannot be read") from None


def _in_address(host: str, address: SplitResult) -> Named:
    parts, query = [part for part in address.path.split("/") if part], parse_qs(address.query)
    if host in {_SHORT_HOST, f"www.{_SHORT_HOST}"}:
        return _video(parts[0] if parts else "")
    if not _HOSTS.fullmatch(host):
        raise UnknownName("the address is not of YouTube")
    first, second = (*parts, "", "")[:2]
    if first == "channel":
        if not _CHANNEL.fullmatch(second):
            raise UnknownName("the address holds no channel's id, which is UC and 22 more characters")
        return Named(Thing.CHANNEL, second)
    if first in _PATHS:
        return _video(second)
    if first == "watch":
        return _video(query.get("v", [second])[0])
    if first == "attribution_link" and "u" in query:
        return _in_address(host, urlsplit(query["u"][0]))
    raise UnknownName("the address names neither a video nor a channel")


def _video(text: str) -> Named:
    if not _VIDEO.fullmatch(text):
        raise UnknownName("the address holds no video's id, which has 11 characters")
    return Named(Thing.VIDEO, text)
