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
    SearchPage,
    ServerError,
    VideoList,
    YouTubeError,
    classify,
)

ERRORS: dict[str, tuple[type[YouTubeError], dict[str, Any]]] = {
    "400_API_KEY_INVALID_trimmed": (KeyInvalid, {"reason": "API_KEY_INVALID"}),
    "400_invalidChannelId": (BadRequest, {"reason": "invalidChannelId"}),
    "400_invalidPageToken_RECONSTRUCTED": (PageTokenInvalid, {}),
    "400_keyInvalid_legacy": (KeyInvalid, {"reason": "keyInvalid"}),
    "403_API_KEY_HTTP_REFERRER_BLOCKED": (KeyBlocked, {"project": "620831776016"}),
    "403_API_KEY_SERVICE_BLOCKED": (KeyBlocked, {"reason": "API_KEY_SERVICE_BLOCKED", "project": None}),
    "403_SERVICE_DISABLED": (KeyBlocked, {"reason": "SERVICE_DISABLED", "project": "69696969"}),
    "403_accessNotConfigured_2020": (KeyBlocked, {"project": "711560230058"}),
    "403_dailyLimitExceeded": (QuotaExhausted, {"project": None, "limit": None}),
    "403_permission_reason_SERVICE_UNAVAILABLE": (Forbidden, {}),
    "403_quotaExceeded": (QuotaExhausted, {"project": None}),
    "403_unregistered_caller_RECONSTRUCTED": (KeyBlocked, {"reason": "forbidden"}),
    "404_playlistNotFound": (NotFound, {"reason": "playlistNotFound"}),
    "429_search_per_day_limit_zero": (QuotaExhausted, {"project": "368441505633", "limit": 0}),
    "429_search_per_day_project_2026-09": (QuotaExhausted, {"project": "994147049083", "limit": 100}),
    "429_video_uploads_per_day": (QuotaExhausted, {"project": None, "limit": None}),
    "500_backendError": (ServerError, {"status": 500}),
    "503_backendError": (ServerError, {"status": 503}),
}
ANSWERS: dict[str, tuple[type[Answer[Any]], int]] = {
    "joostlek/video/base": (VideoList, 0),
    "joostlek/video_response_1": (VideoList, 2),
    "joostlek/video_response_2": (VideoList, 1),
    "joostlek/video_response_snippet": (VideoList, 1),
    "python-youtube/search/search_by_developer": (SearchPage, 5),
    "python-youtube/search/search_by_event": (SearchPage, 25),
    "python-youtube/search/search_by_keywords_p1": (SearchPage, 25),
    "python-youtube/search/search_by_keywords_p2": (SearchPage, 25),
    "python-youtube/search/search_by_location": (SearchPage, 5),
    "python-youtube/search/search_videos_by_channel": (SearchPage, 5),
    "python-youtube/videos/video_api_response": (VideoList, 1),
    "python-youtube/videos/videos_chart_paged_1": (VideoList, 5),
    "python-youtube/videos/videos_chart_paged_2": (VideoList, 3),
    "python-youtube/videos/videos_info_multi": (VideoList, 2),
    "python-youtube/videos/videos_info_single": (VideoList, 1),
}
RESOURCES = ("joostlek/video/1/base", "python-youtube/videos/video_info")
PARTS = {
    **{
        f"joostlek/video/1/{part}": part
        for part in ("contentDetails", "snippet", "statistics", "localizations", "player", "status", "topicDetails")
    },
    **{
        f"python-youtube/videos/video_{name}": part
        for name, part in {
            "content_details": "contentDetails", "snippet": "snippet", "statistics": "statistics", "status": "status",
            "topic_details": "topicDetails", "recording_details": "recordingDetails",
            "paid_product_placement_details": "paidProductPlacementDetails",
        }.items()
    },
}  # fmt: skip
FOREIGN = (
    "joostlek/channel_response_snippet", "joostlek/playlist_item_response_snippet_content_details",
    *(
        f"python-youtube/channels/{name}"
        for name in ("channel_info_multi", "channel_info_single", "info", "info_multiple", "update_resp")
    ),
    "python-youtube/playlist_items/insert_response",
    *(
        f"python-youtube/playlist_items/playlist_items_{name}"
        for name in ("filter_video", "multi", "paged_1", "paged_2", "single")
    ),
    "python-youtube/videos/video_category_info",
)  # fmt: skip
"""Resources that Maia does not ask for."""


@pytest.fixture(scope="module")
def answers(shared_data: Path) -> dict[str, bytes]:
    folder = shared_data / "youtube-responses"
    return {file.relative_to(folder).with_suffix("").as_posix(): file.read_bytes() for file in folder.rglob("*.json")}


def test_every_captured_file_is_in_a_table(shared_data: Path, answers: dict[str, bytes]) -> None:
    assert {file.stem for file in (shared_data / "youtube-errors").rglob("*.json")} == set(ERRORS)
    assert set(answers) == {*ANSWERS, *RESOURCES, *PARTS, *FOREIGN}


@pytest.mark.parametrize("name", ERRORS)
def test_a_captured_error_is_classified(name: str, shared_data: Path) -> None:
    """A day quota must never churn, nor a rate limit suspend anything."""
    body = (shared_data / "youtube-errors" / f"{name}.json").read_bytes()
    expected, attributes = ERRORS[name]
    error = classify(int(name[:3]), body, {}, Bucket.SEARCH)
    assert type(error) is expected
    assert {key: getattr(error, key) for key in attributes} == attributes


@pytest.mark.parametrize("name", ANSWERS)
def test_a_captured_answer_is_read_whole(name: str, answers: dict[str, bytes]) -> None:
    expected, count = ANSWERS[name]
    body = json.loads(answers[name])
    answer = expected.read(answers[name])
    assert (len(answer.items), answer.dropped) == (count, 0)
    assert answer.next_page_token == body.get("nextPageToken")
    assert [item.raw for item in answer.items] == body["items"]
    for item, resource in zip(answer.items, body["items"], strict=True):
        agrees(item, resource)


@pytest.mark.parametrize("name", [*RESOURCES, *PARTS])
def test_a_captured_resource_or_part_of_a_video_is_read(name: str, answers: dict[str, bytes]) -> None:
    resource = json.loads(answers[name])
    if name in PARTS:
        resource = {"id": "vid-0000001", PARTS[name]: resource}
    agrees(Video.from_resource(resource), resource)


@pytest.mark.parametrize("name", FOREIGN)
def test_what_maia_does_not_ask_for_is_refused(name: str, answers: dict[str, bytes]) -> None:
    with pytest.raises(YouTubeError, match="no youtube#videoListResponse"):
        VideoList.read(answers[name])


def agrees(item: Any, resource: Mapping[str, Any]) -> None:
    """Nothing that the resource says may be lost on the way: a None where it has a value is a defect."""
    snippet, statistics = resource.get("snippet", {}), resource.get("statistics", {})
    for attribute, said in {
        "title": snippet.get("title"),
        "channel_id": snippet.get("channelId"),
        "channel_title": snippet.get("channelTitle"),
        "category_id": snippet.get("categoryId"),
        "duration": resource.get("contentDetails", {}).get("duration"),
        "views": statistics.get("viewCount"),
        "likes": statistics.get("likeCount"),
    }.items():
        if hasattr(item, attribute):
            assert (getattr(item, attribute) is None) == (said is None), attribute
    assert (item.published_at is None) == ("publishedAt" not in snippet)
    if hasattr(item, "tags"):
        assert item.tags == snippet.get("tags", [])
    assert item.title is None or "&amp;" not in item.title
