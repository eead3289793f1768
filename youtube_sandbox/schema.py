"""The fields that the answers of each endpoint have.

The names are those of Google's discovery document, and the few of its reference that the document lacks.
"""

from __future__ import annotations

from typing import Final

from youtube_sandbox.fields import Selection, parse

__all__ = ["KNOWN"]

_SIZES: Final = ("default", "medium", "high", "standard", "maxres", "fhd", "qhd", "uhd")
_THUMBNAILS: Final = f"thumbnails({','.join(f'{size}(url,width,height)' for size in _SIZES)})"
_RESOURCE_ID: Final = "kind,videoId,channelId,playlistId"
_LIST: Final = (
    "kind,etag,eventId,nextPageToken,prevPageToken,visitorId,pageInfo(totalResults,resultsPerPage),tokenPagination"
)

KNOWN: Final[dict[str, Selection]] = {
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
"""Endpoint → the fields of its answer; None where nothing inside a field can be selected."""
