"""The encoding of the report's page: what a browser decodes is what was written."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from atlas.adapters.growth import Kind
from maia.report.columns import Numbers
from maia.report.contents import Video
from maia.report.payload import CURVES, TITLE, Encoder, to_json

from ..support.report_examples import AT, HOSTILE, decoded, make_head, make_payload, make_videos

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("number", [0, 1, 2, CURVES + 100])
def test_videos_are_decoded_as_they_were_written(number: int) -> None:
    videos = list(make_videos(number, hostile=False))
    columns = decoded(make_payload(number, hostile=False))
    assert columns["id"] == [video.video_id for video in videos]
    assert columns["title"] == [video.title for video in videos]
    assert [None if place is None else columns["channel_title"][place] for place in columns["channel"]] == [
        video.channel for video in videos
    ]
    assert columns["views"] == [video.views for video in videos]
    assert columns["zone"] == [video.zone for video in videos]
    assert columns["kind"] == [list(Kind).index(video.kind) for video in videos]
    assert [video.sparkline for video in videos] == columns["spark"]
    for name, moments in {
        "published": [video.published_at for video in videos],
        "observed": [video.observed_at for video in videos],
        "breakout": [video.breakout_at for video in videos],
    }.items():
        assert columns[name] == [None if at is None else round((AT - at) / MINUTE) for at in moments], name
    assert columns["score"] == [None if v.score is None else pytest.approx(v.score, abs=0.05) for v in videos]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("rate_1h", lambda video: video.views_per_hour),
        ("rate_6h", lambda video: video.views_per_hour_6h),
        ("rate_24h", lambda video: video.views_per_hour_24h),
        ("usual", lambda video: video.usual_per_hour),
        ("f24", lambda video: video.forecast_24h and video.forecast_24h.expected),
        ("f24_low", lambda video: video.forecast_24h and video.forecast_24h.low),
        ("f7", lambda video: video.forecast_7d and video.forecast_7d.expected),
        ("f7_high", lambda video: video.forecast_7d and video.forecast_7d.high),
    ],
)
def test_rates_and_forecasts_are_within_their_precision(column: str, value: Callable[[Video], float | None]) -> None:
    wanted = [value(video) for video in make_videos(600)]
    assert decoded(make_payload(600))[column] == [
        None if number is None else pytest.approx(number, abs=0.0026 * (1 + abs(number))) for number in wanted
    ]


def test_curves_are_those_of_the_first_videos() -> None:
    videos = list(make_videos(CURVES + 5))
    columns = decoded(make_payload(CURVES + 5))
    assert columns["curve_points"] == [len(video.curve) for video in videos[:CURVES]]
    start = 0
    for video in videos[:CURVES]:
        times, views = (columns[name][start : start + len(video.curve)] for name in ("curve_times", "curve_views"))
        assert list(itertools.accumulate(views)) == [point.views for point in video.curve]
        assert [times[0] - since for since in itertools.accumulate([0, *times[1:]])] == [
            round((AT - point.observed_at) / MINUTE) for point in video.curve
        ]
        start += len(video.curve)


def test_hostile_titles_stay_one_line_and_short_and_never_end_a_script() -> None:
    titles = decoded(make_payload(len(HOSTILE)))["title"]
    assert len(titles) == len(HOSTILE)
    assert [
        title for title in titles if len(title) > TITLE or "\n" in title or "\x00" in title or "\u202e" in title
    ] == []
    head = make_payload(1, title="</script>&\u2028").head_json()
    assert set("<>&\u2028").isdisjoint(head)
    assert json.loads(head)["title"] == "</script>&\u2028"


def test_ids_unlike_youtubes_are_texts() -> None:
    ids = [video.video_id for video in make_videos(3)]
    ids[2] = "not a YouTube id"
    encoder = Encoder(AT)
    for video, video_id in zip(make_videos(3), ids, strict=True):
        encoder.add([replace(video, video_id=video_id)])
    assert decoded(encoder.payload(make_head(3)))["id"] == ids


@pytest.mark.parametrize("values", [[0, 1, 127, 128, 2**53 - 1], [-1, -64, -65, 2**40, -(2**40)]])
def test_numbers_refuse_what_they_cannot_hold(values: list[int]) -> None:
    plain = Numbers(unit="views")
    if min(values) < 0:
        with pytest.raises(ValueError, match="negative"):
            plain.extend(values)
    else:
        plain.extend(values)
        assert plain.count == len(values)
    with pytest.raises(ValueError, match="None"):
        plain.extend([None])


def test_the_head_is_json_with_times_and_dates() -> None:
    head = json.loads(to_json(make_head(3)))
    assert head["generated_at"] == "2026-11-30T08:00:00Z"
    assert head["discovery"][-1]["day"] == "2026-11-30"
    assert head["tracked"] == {"number": 3, "exact": True}
    assert json.loads(make_payload(3).head_json())["block"]["columns"]["views"]["unit"] == "views"
