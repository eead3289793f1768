"""Every body and answer that was captured from the real API is read as what it is. A file of no table fails."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from atlas.models.youtube import Video
from atlas.quota.buckets import Bucket
from maia.youtube import (
    Answer,
    BadRequest,
    Forbidden,
    KeyBlocked,
    KeyInvalid,
    NotFound,
    PageTokenInvalid,
    QuotaExhausted,
    RateLimited,
    SearchPage,
    ServerError,
    VideoList,
    YouTubeError,
    classify,
)

ERRORS: dict[str, tuple[type[YouTubeError], dict[str, Any]]] = {
    "400_API_KEY_INVALID_trimmed.json": (KeyInvalid, {"reason": "API_KEY_INVALID"}),
    "400_invalidChannelId.json": (BadRequest, {"reason": "invalidChannelId"}),
    "400_invalidPageToken_RECONSTRUCTED.json": (PageTokenInvalid, {}),
    "400_keyInvalid_legacy.json": (KeyInvalid, {"reason": "keyInvalid"}),
    "403_API_KEY_HTTP_REFERRER_BLOCKED.json": (KeyBlocked, {"project": "620831776016"}),
    "403_API_KEY_SERVICE_BLOCKED.json": (KeyBlocked, {"reason": "API_KEY_SERVICE_BLOCKED", "project": None}),
    "403_SERVICE_DISABLED.json": (KeyBlocked, {"reason": "SERVICE_DISABLED", "project": "69696969"}),
    "403_accessNotConfigured_2020.json": (KeyBlocked, {"project": "711560230058"}),
    "403_dailyLimitExceeded.json": (QuotaExhausted, {"project": None, "limit": None}),
    "403_permission_reason_SERVICE_UNAVAILABLE.json": (Forbidden, {}),
    "403_quotaExceeded.json": (QuotaExhausted, {"project": None}),
    "403_unregistered_caller_RECONSTRUCTED.json": (KeyBlocked, {"reason": "forbidden"}),
    "404_playlistNotFound.json": (NotFound, {"reason": "playlistNotFound"}),
    "429_search_per_day_limit_zero.json": (QuotaExhausted, {"project": "368441505633", "limit": 0}),
    "429_search_per_day_project_2026-09.json": (QuotaExhausted, {"project": "994147049083", "limit": 100}),
    "429_video_uploads_per_day.json": (QuotaExhausted, {"project": None, "limit": None}),
    "500_backendError.json": (ServerError, {"status": 500}),
    "503_backendError.json": (ServerError, {"status": 503}),
}

ANSWERS: dict[str, tuple[type[Answer[Any]], int]] = {
    "joostlek/video/base.json": (VideoList, 0),
    "joostlek/video_response_1.json": (VideoList, 2),
    "joostlek/video_response_2.json": (VideoList, 1),
    "joostlek/video_response_snippet.json": (VideoList, 1),
    "python-youtube/search/search_by_developer.json": (SearchPage, 5),
    "python-youtube/search/search_by_event.json": (SearchPage, 25),
    "python-youtube/search/search_by_keywords_p1.json": (SearchPage, 25),
    "python-youtube/search/search_by_keywords_p2.json": (SearchPage, 25),
    "python-youtube/search/search_by_location.json": (SearchPage, 5),
    "python-youtube/search/search_videos_by_channel.json": (SearchPage, 5),
    "python-youtube/videos/video_api_response.json": (VideoList, 1),
    "python-youtube/videos/videos_chart_paged_1.json": (VideoList, 5),
    "python-youtube/videos/videos_chart_paged_2.json": (VideoList, 3),
    "python-youtube/videos/videos_info_multi.json": (VideoList, 2),
    "python-youtube/videos/videos_info_single.json": (VideoList, 1),
}

RESOURCES = {"joostlek/video/1/base.json", "python-youtube/videos/video_info.json"}

# Parts of a video, each to be read as that part of one.
PARTS = {
    "contentDetails": ["joostlek/video/1/contentDetails.json", "python-youtube/videos/video_content_details.json"],
    "snippet": ["joostlek/video/1/snippet.json", "python-youtube/videos/video_snippet.json"],
    "statistics": ["joostlek/video/1/statistics.json", "python-youtube/videos/video_statistics.json"],
    "localizations": ["joostlek/video/1/localizations.json"],
    "player": ["joostlek/video/1/player.json"],
    "status": ["joostlek/video/1/status.json", "python-youtube/videos/video_status.json"],
    "topicDetails": ["joostlek/video/1/topicDetails.json", "python-youtube/videos/video_topic_details.json"],
    "recordingDetails": ["python-youtube/videos/video_recording_details.json"],
    "paidProductPlacementDetails": ["python-youtube/videos/video_paid_product_placement_details.json"],
}

# Resources that Maia does not ask for.
FOREIGN = {
    "joostlek/channel_response_snippet.json",
    "joostlek/playlist_item_response_snippet_content_details.json",
    "python-youtube/channels/channel_info_multi.json",
    "python-youtube/channels/channel_info_single.json",
    "python-youtube/channels/info.json",
    "python-youtube/channels/info_multiple.json",
    "python-youtube/channels/update_resp.json",
    "python-youtube/playlist_items/insert_response.json",
    "python-youtube/playlist_items/playlist_items_filter_video.json",
    "python-youtube/playlist_items/playlist_items_multi.json",
    "python-youtube/playlist_items/playlist_items_paged_1.json",
    "python-youtube/playlist_items/playlist_items_paged_2.json",
    "python-youtube/playlist_items/playlist_items_single.json",
    "python-youtube/videos/video_category_info.json",
}


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.json")}


def load(shared_data: Path, name: str) -> Any:
    return json.loads(captured(shared_data, name))


def captured(shared_data: Path, name: str) -> bytes:
    return (shared_data / "youtube-responses" / name).read_bytes()


def test_every_captured_error_is_in_the_table(shared_data: Path) -> None:
    assert names(shared_data / "youtube-errors") == set(ERRORS)


@pytest.mark.parametrize("name", ERRORS)
def test_a_captured_error_is_classified(name: str, shared_data: Path) -> None:
    body = (shared_data / "youtube-errors" / name).read_bytes()
    expected, attributes = ERRORS[name]

    error = classify(int(name[:3]), body, {}, Bucket.SEARCH)

    assert type(error) is expected
    assert {key: getattr(error, key) for key in attributes} == attributes
    # A day quota must never churn, nor a rate limit suspend anything.
    assert not isinstance(error, RateLimited)


def test_every_captured_answer_is_in_a_table(shared_data: Path) -> None:
    parts = {name for listed in PARTS.values() for name in listed}
    known = {*ANSWERS, *RESOURCES, *parts, *FOREIGN}

    assert names(shared_data / "youtube-responses") == known


@pytest.mark.parametrize("name", ANSWERS)
def test_a_captured_answer_is_read_whole(name: str, shared_data: Path) -> None:
    expected, count = ANSWERS[name]
    body = load(shared_data, name)

    answer = expected.read(captured(shared_data, name))

    assert (len(answer.items), answer.dropped) == (count, 0)
    assert answer.next_page_token == body.get("nextPageToken")
    assert [item.raw for item in answer.items] == body["items"]
    for item, resource in zip(answer.items, body["items"], strict=True):
        agrees(item, resource)


@pytest.mark.parametrize("name", sorted(RESOURCES))
def test_a_captured_resource_is_read(name: str, shared_data: Path) -> None:
    resource = load(shared_data, name)

    agrees(Video.from_resource(resource), resource)


@pytest.mark.parametrize(("part", "name"), [(part, name) for part, listed in PARTS.items() for name in listed])
def test_a_captured_part_of_a_video_is_read(part: str, name: str, shared_data: Path) -> None:
    resource = {"id": "vid-0000001", part: load(shared_data, name)}

    agrees(Video.from_resource(resource), resource)


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_what_maia_does_not_ask_for_is_refused(name: str, shared_data: Path) -> None:
    with pytest.raises(YouTubeError, match="no youtube#videoListResponse"):
        VideoList.read(captured(shared_data, name))


def agrees(item: Any, resource: Mapping[str, Any]) -> None:
    """Nothing that the resource says may be lost on the way: a None where it has a value is a defect."""
    snippet = resource.get("snippet", {})
    statistics = resource.get("statistics", {})
    details = resource.get("contentDetails", {})
    for attribute, said in {
        "title": snippet.get("title"),
        "channel_id": snippet.get("channelId"),
        "channel_title": snippet.get("channelTitle"),
        "category_id": snippet.get("categoryId"),
        "duration": details.get("duration"),
        "views": statistics.get("viewCount"),
        "likes": statistics.get("likeCount"),
    }.items():
        if hasattr(item, attribute):
            assert (getattr(item, attribute) is None) == (said is None), attribute
    assert (item.published_at is None) == ("publishedAt" not in snippet)
    if hasattr(item, "tags"):
        assert item.tags == snippet.get("tags", [])
    assert item.title is None or "&amp;" not in item.title
