"""The YouTube Data API v3 as Maia asks it: the client, what it answers, and what its errors mean."""

from maia.youtube.client import MAX_IDS, Ring, Stop, YouTubeClient
from maia.youtube.errors import (
    BadRequest,
    Forbidden,
    KeyBlocked,
    KeyInvalid,
    Malformed,
    NetworkError,
    NotFound,
    PageTokenInvalid,
    QuotaExhausted,
    RateLimited,
    ServerError,
    Stopped,
    TransientError,
    YouTubeError,
    classify,
)
from maia.youtube.models import Answer, ChannelList, PlaylistPage, SearchPage, StatsList, VideoList

__all__ = [
    "MAX_IDS",
    "Answer",
    "BadRequest",
    "ChannelList",
    "Forbidden",
    "KeyBlocked",
    "KeyInvalid",
    "Malformed",
    "NetworkError",
    "NotFound",
    "PageTokenInvalid",
    "PlaylistPage",
    "QuotaExhausted",
    "RateLimited",
    "Ring",
    "SearchPage",
    "ServerError",
    "StatsList",
    "Stop",
    "Stopped",
    "TransientError",
    "VideoList",
    "YouTubeClient",
    "YouTubeError",
    "classify",
]
