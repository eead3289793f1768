"""The YouTube Data API v3 as Maia asks it: the client, what it answers, and what its errors mean."""

from maia.youtube.client import MAX_IDS, YouTubeClient
from maia.youtube.errors import (
    BadRequest,
    Forbidden,
    KeyBlocked,
    KeyInvalid,
    KeyRefused,
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
)  # fmt: skip
from maia.youtube.models import Answer, SearchPage, StatsList, VideoList

__all__ = [
    "MAX_IDS", "Answer", "BadRequest", "Forbidden", "KeyBlocked", "KeyInvalid", "KeyRefused", "Malformed",
    "NetworkError", "NotFound", "PageTokenInvalid", "QuotaExhausted", "RateLimited", "SearchPage", "ServerError",
    "StatsList", "Stopped", "TransientError", "VideoList", "YouTubeClient", "YouTubeError", "classify",
]  # fmt: skip
