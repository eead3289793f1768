"""Which fields the answers of each endpoint have, in the shape that `fields` selects from.

The names are those of Google's discovery document, and the few of its reference that are not in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from youtube_sandbox.fields import Selection

__all__ = ["KNOWN"]


def _leaves(names: str, **inner: Any) -> dict[str, Any]:
    return {**dict.fromkeys(names.split()), **inner}


_THUMBNAILS: Final = {
    name: _leaves("url width height")
    for name in ["default", "medium", "high", "standard", "maxres", "fhd", "qhd", "uhd"]
}
_LOCALIZED: Final = _leaves("title description")
_RESOURCE_ID: Final = _leaves("kind videoId channelId playlistId")
_BARE: Final = "kind etag"


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return _leaves(
        "kind etag eventId nextPageToken prevPageToken visitorId",
        pageInfo=_leaves("totalResults resultsPerPage"),
        tokenPagination=None,
        items=item,
    )


KNOWN: Final[dict[str, Selection]] = {
    "search": _leaves(
        "regionCode",
        **_list(
            _leaves(
                _BARE,
                id=_RESOURCE_ID,
                snippet=_leaves(
                    "publishedAt channelId title description channelTitle liveBroadcastContent publishTime",
                    thumbnails=_THUMBNAILS,
                ),
            )
        ),
    ),
    "videos": _list(
        _leaves(
            "kind etag id localizations recordingDetails topicDetails",
            snippet=_leaves(
                "publishedAt channelId title description channelTitle tags categoryId liveBroadcastContent "
                "defaultLanguage defaultAudioLanguage",
                thumbnails=_THUMBNAILS,
                localized=_LOCALIZED,
            ),
            contentDetails=_leaves(
                "duration dimension definition caption licensedContent contentRating projection hasCustomThumbnail "
                "regionRestriction countryRestriction"
            ),
            statistics=_leaves("viewCount likeCount dislikeCount favoriteCount commentCount"),
            status=_leaves(
                "uploadStatus failureReason rejectionReason privacyStatus publishAt license embeddable "
                "publicStatsViewable madeForKids selfDeclaredMadeForKids containsSyntheticMedia"
            ),
            player=_leaves("embedHtml embedHeight embedWidth"),
            paidProductPlacementDetails=_leaves("hasPaidProductPlacement"),
            liveStreamingDetails=_leaves(
                "actualStartTime actualEndTime scheduledStartTime scheduledEndTime concurrentViewers activeLiveChatId"
            ),
        )
    ),
    "batchGetStats": _leaves(
        _BARE,
        items=_leaves(
            "kind etag id",
            snippet=_leaves("publishTime"),
            statistics=_leaves("viewCount likeCount commentCount"),
            contentDetails=_leaves("duration durationMillis"),
        ),
    ),
    "channels": _list(
        _leaves(
            "kind etag id brandingSettings contentOwnerDetails localizations topicDetails",
            snippet=_leaves(
                "title description customUrl publishedAt country defaultLanguage",
                thumbnails=_THUMBNAILS,
                localized=_LOCALIZED,
            ),
            contentDetails=_leaves("", relatedPlaylists=_leaves("likes uploads favorites watchHistory watchLater")),
            statistics=_leaves("viewCount subscriberCount hiddenSubscriberCount videoCount commentCount"),
            status=_leaves("privacyStatus isLinked longUploadsStatus madeForKids selfDeclaredMadeForKids"),
        )
    ),
    "playlistItems": _list(
        _leaves(
            "kind etag id",
            snippet=_leaves(
                "publishedAt channelId title description channelTitle playlistId position videoOwnerChannelTitle "
                "videoOwnerChannelId",
                thumbnails=_THUMBNAILS,
                resourceId=_RESOURCE_ID,
            ),
            contentDetails=_leaves("videoId videoPublishedAt startAt endAt note"),
            status=_leaves("privacyStatus"),
        )
    ),
}
"""Endpoint → the fields of its answer; None where nothing is inside a field, or nothing that can be selected here."""
