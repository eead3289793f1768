"""What a fault makes of a good answer: odd answers of status 200, as bug reports have them or as they could come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from atlas.times import iso
from youtube_sandbox.faults import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["freeze_counts", "spoilt"]

_OTHER_ID: Final = "zzzzzzzzzzz"
_BEFORE: Final = timedelta(days=10)  # how long before its broadcast a premiere was set up


def spoilt(kind: Kind, document: dict[str, Any]) -> dict[str, Any]:
    """The answer as this kind of fault has it; unchanged for kinds that spoil no list."""
    items = document.get("items")
    if kind is Kind.WRONG_KIND:
        return {**document, "kind": "youtube#activityListResponse"}
    if kind is Kind.UNKNOWN_MEMBER:
        left_out = [_id_of(item) for item in (items or [])[:1]]
        return {**document, "items": (items or [])[1:], "notFoundIds": left_out}
    if not items or kind not in _OF_ITEMS:
        return document
    return {**document, "items": _OF_ITEMS[kind](items)}


def freeze_counts(document: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Give the items of an answer the counts of an earlier one; those that are new since then keep theirs."""
    counts = {_id_of(item): item["statistics"] for item in before.get("items", []) if "statistics" in item}
    for item in document.get("items", []):
        if _id_of(item) in counts:
            item["statistics"] = counts[_id_of(item)]


def _id_of(item: Mapping[str, Any]) -> Any:
    identifier = item.get("id")
    return identifier.get("videoId") if isinstance(identifier, dict) else identifier


def _with_id(item: dict[str, Any], identifier: str) -> dict[str, Any]:
    return {**item, "id": {**item["id"], "videoId": identifier} if isinstance(item.get("id"), dict) else identifier}


def _with(item: dict[str, Any], part: str, **values: Any) -> dict[str, Any]:
    return {**item, part: {**item[part], **values}} if part in item else item


def _upcoming(item: dict[str, Any]) -> dict[str, Any]:
    """The same video as a premiere that is still to come: set up ten days before, without a length or views."""
    snippet = dict(item.get("snippet", {}))
    for name in ("publishedAt", "publishTime"):
        if name in snippet:
            snippet[name] = _earlier(snippet[name])
    if "liveBroadcastContent" in snippet:
        snippet["liveBroadcastContent"] = "upcoming"
    upcoming = {**item, "snippet": snippet} if snippet else item
    if "durationMillis" in item.get("contentDetails", {}):
        upcoming = _with(upcoming, "contentDetails", duration="0s", durationMillis="0")
    else:
        upcoming = _with(upcoming, "contentDetails", duration="P0D")
    if "statistics" in item:
        upcoming = {**upcoming, "statistics": {"favoriteCount": "0", "commentCount": "0"}}
    return upcoming


def _earlier(time: str) -> str:
    return iso(datetime.fromisoformat(time) - _BEFORE)


_OF_ITEMS: Final[Mapping[Kind, Callable[[list[dict[str, Any]]], list[dict[str, Any]]]]] = {
    Kind.UNREADABLE_ITEMS: lambda items: [{"kind": item.get("kind")} for item in items],
    Kind.OTHER_ID: lambda items: [*items, _with_id(items[0], _OTHER_ID)],
    Kind.TWICE: lambda items: [items[0], *items],
    Kind.NO_STATISTICS: lambda items: [
        {name: part for name, part in item.items() if name != "statistics"} for item in items
    ],
    Kind.ODD_NUMBERS: lambda items: [
        _with(item, "statistics", viewCount="-5", likeCount=str(2**80), commentCount="many") for item in items
    ],
    Kind.UPCOMING: lambda items: [_upcoming(item) for item in items],
}
