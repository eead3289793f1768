"""Partial responses: the `fields` parameter.

Grammar (Google: "Partial resources"): ``a,b`` several; ``a/b`` b inside a; ``a(b,c)`` b and c inside a; ``*`` all of a
level. A selection applies to each element of a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from youtube_sandbox.errors import invalid

Selection = Mapping[str, Any]
"""name → None (all of it) or the selection inside it."""

_LONGEST: Final = 2_000
_TOKEN: Final = re.compile(r"[^,/()]+|[,/()]")


def parse_fields(text: str, known: Selection) -> Selection:
    """Read a `fields` parameter.

    `known`: the fields that the answer can have; an empty selection allows any name. Raises ApiError 400
    invalidParameter, as the API does for a field that does not exist.
    """
    try:
        selection = parse(text)
        _check(selection, known)
    except ValueError as error:
        message = f"Invalid field selection {error}"
        raise invalid("invalidParameter", message, domain="global", location="fields") from None
    return selection


def select(value: Any, selection: Selection | None) -> Any:
    """Return the part of a document that a selection names; omit names that it does not have."""
    if selection is None or ("*" in selection and selection["*"] is None):
        return value
    if isinstance(value, list):
        return [select(item, selection) for item in value]
    if not isinstance(value, dict):
        return value
    star = selection.get("*")
    if star is not None:
        return {name: select(item, star) for name, item in value.items()}
    return {name: select(value[name], inner) for name, inner in selection.items() if name in value}


def _check(selection: Selection, known: Selection) -> None:
    """Raise ValueError(name) for a field that is not known."""
    for name, inner in selection.items():
        below = known.get(name) if name != "*" else None
        if known and name != "*" and (name not in known or (inner is not None and below is None)):
            raise ValueError(name)
        if inner is not None:
            _check(inner, below or {})


@lru_cache(maxsize=256)
def parse(text: str) -> Selection:
    """Return the selection of a text. Raises ValueError(what could not be read)."""
    if len(text) > _LONGEST:
        raise ValueError("(too long)")
    tokens = _TOKEN.findall(text.replace(" ", ""))
    selection = _level(tokens)
    if tokens:
        raise ValueError(text)
    return selection


def _level(tokens: list[str]) -> dict[str, Any]:
    """Take the tokens of one level, up to a closing parenthesis or the end."""
    selection: dict[str, Any] = {}
    while True:
        path = [_name(tokens)]
        while tokens[:1] == ["/"]:
            del tokens[0]
            path.append(_name(tokens))
        inner = None
        if tokens[:1] == ["("]:
            del tokens[0]
            inner = _level(tokens)
            if not tokens:
                raise ValueError("(no closing parenthesis)")
            del tokens[0]
        _merge(selection, path, inner)
        if tokens[:1] != [","]:
            return selection
        del tokens[0]


def _name(tokens: list[str]) -> str:
    if not tokens or tokens[0] in ",/()":
        raise ValueError("".join(tokens) or "(empty)")
    return tokens.pop(0)


def _merge(selection: dict[str, Any], path: list[str], inner: dict[str, Any] | None) -> None:
    for name in path[:-1]:
        below = selection.setdefault(name, {})
        if below is None:  # all of it was named before
            return
        selection = below
    last = path[-1]
    if inner is None:
        selection[last] = None
    elif last not in selection:
        selection[last] = inner
    elif selection[last] is not None:
        for name, below in inner.items():
            _merge(selection[last], [name], below)


_SIZES: Final = ("default", "medium", "high", "standard", "maxres", "fhd", "qhd", "uhd")
_THUMBNAILS: Final = f"thumbnails({','.join(f'{size}(url,width,height)' for size in _SIZES)})"
_RESOURCE_ID: Final = "kind,videoId,channelId,playlistId"
_LIST: Final = (
    "kind,etag,eventId,nextPageToken,prevPageToken,visitorId,pageInfo(totalResults,resultsPerPage),tokenPagination"
)

KNOWN_FIELDS: Final[dict[str, Selection]] = {
    "search": parse(
        f"regionCode,{_LIST},items(kind,etag,id({_RESOURCE_ID}),snippet(publishedAt,channelId,title,description,"
        f"channelTitle,liveBroadcastContent,publishTime,{_THUMBNAILS}))"
    ),
    "videos": parse(
        f"{_LIST},items(kind,etag,id,localizations,recordingDetails,topicDetails,snippet(publishedAt,channelId,title,"
        "description,channelTitle,tags,categoryId,liveBroadcastContent,defaultLanguage,defaultAudioLanguage,"
        f"{_THUMBNAILS},localized(title,description)),contentDetails(duration,dimension,definition,caption,"
        "licensedContent,contentRating,projection,hasCustomThumbnail,regionRestriction,countryRestriction),"
        "statistics(viewCount,likeCount,dislikeCount,favoriteCount,commentCount),status(uploadStatus,failureReason,"
        "rejectionReason,privacyStatus,publishAt,license,embeddable,publicStatsViewable,madeForKids,"
        "selfDeclaredMadeForKids,containsSyntheticMedia),player(embedHtml,embedHeight,embedWidth),"
        "paidProductPlacementDetails(hasPaidProductPlacement),liveStreamingDetails(actualStartTime,actualEndTime,"
        "scheduledStartTime,scheduledEndTime,concurrentViewers,activeLiveChatId))"
    ),
    "batchGetStats": parse(
        "kind,etag,items(kind,etag,id,snippet(publishTime),statistics(viewCount,likeCount,commentCount),"
        "contentDetails(duration,durationMillis))"
    ),
    "channels": parse(
        f"{_LIST},items(kind,etag,id,brandingSettings,contentOwnerDetails,localizations,topicDetails,snippet(title,"
        f"description,customUrl,publishedAt,country,defaultLanguage,{_THUMBNAILS},localized(title,description)),"
        "contentDetails(relatedPlaylists(likes,uploads,favorites,watchHistory,watchLater)),statistics(viewCount,"
        "subscriberCount,hiddenSubscriberCount,videoCount,commentCount),status(privacyStatus,isLinked,"
        "longUploadsStatus,madeForKids,selfDeclaredMadeForKids))"
    ),
    "playlistItems": parse(
        f"{_LIST},items(kind,etag,id,snippet(publishedAt,channelId,title,description,channelTitle,playlistId,position,"
        f"videoOwnerChannelTitle,videoOwnerChannelId,{_THUMBNAILS},resourceId({_RESOURCE_ID})),"
        "contentDetails(videoId,videoPublishedAt,startAt,endAt,note),status(privacyStatus))"
    ),
}
"""Endpoint → the fields of its answer, named as in Google's discovery document, with the few of its reference that the
document lacks; None where nothing inside a field can be selected."""
