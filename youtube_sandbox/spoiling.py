"""Spoil good answers: odd answers of status 200, as bug reports show them or as they could come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from atlas.times import iso
from youtube_sandbox.faults import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OTHER_ID: Final = "zzzzzzzzzzz"
_BEFORE: Final = timedelta(days=10)  # how long before its broadcast a premiere was set up

Item = dict[str, Any]


def spoilt(kind: Kind, document: dict[str, Any]) -> dict[str, Any]:
    """Return the answer as this kind of fault has it; unchanged for kinds that spoil no list."""
    items = document.get("items") or []
    if kind is Kind.EMPTY_ITEMS:
        return {**document, "items": []} if "items" in document else document
    if kind is Kind.WRONG_KIND:
        return {**document, "kind": "youtube#activityListResponse"}
    if kind is Kind.UNKNOWN_MEMBER:
        return {**document, "items": items[1:], "notFoundIds": [_id_of(item) for item in items[:1]]}
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


def _with_id(item: Item, identifier: str) -> Item:
    return {**item, "id": {**item["id"], "videoId": identifier} if isinstance(item.get("id"), dict) else identifier}


def _with(item: Item, part: str, **values: Any) -> Item:
    return {**item, part: {**item[part], **values}} if part in item else item


def _upcoming(item: Item) -> Item:
    """Return the same video as a premiere that is still to come: without a length or views."""
    snippet = item.get("snippet", {})
    times = {name: _earlier(snippet[name]) for name in ("publishedAt", "publishTime") if name in snippet}
    live = {"liveBroadcastContent": "upcoming"} if "liveBroadcastContent" in snippet else {}
    no_length = {"duration": "P0D"}
    if "durationMillis" in item.get("contentDetails", {}):
        no_length = {"duration": "0s", "durationMillis": "0"}
    upcoming = _with(_with(item, "snippet", **times, **live), "contentDetails", **no_length)
    if "statistics" in item:
        upcoming = {**upcoming, "statistics": {"favoriteCount": "0", "commentCount": "0"}}
    return upcoming


def _earlier(time: str) -> str:
    return iso(datetime.fromisoformat(time) - _BEFORE)


_OF_ITEMS: Final[Mapping[Kind, Callable[[list[Item]], list[Item]]]] = {
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
