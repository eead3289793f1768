"""A made-up payload of the report's page, of any size, and a decoder of its block."""

from __future__ import annotations

import base64
import itertools
import math
import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from atlas.adapters.growth import Forecast, Kind, Point
from maia.report.contents import (
    BreakInCollection,
    Counted,
    Day,
    Freeze,
    Head,
    Newest,
    QueryYield,
    Quota,
    RecentBreakout,
    Retention,
    RunMark,
    SearchGap,
    Video,
    ZoneDay,
    ZoneFreshness,
)
from maia.report.payload import CURVES, SLOTS, Encoder, Payload

__all__ = ["AT", "HOSTILE", "decoded", "make_head", "make_payload", "make_videos"]

AT = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!-- <img src=x onerror=alert(1)> -->",
    "\u05e9\u05dc\u05d5\u05dd \u202e\u05e2\u05d5\u05dc\u05dd\u202c",  # Hebrew, with an override of the direction
    "👩\u200d👩\u200d👧 🇩🇪",
    "x" * 5_000,
    "line\nfeed\rand\x00 NUL\u2028",
    '\'" onmouseover="alert(1)" ${7*7} {{7*7}}',
    "日本語のタイトル",
    "",
    "&amp; &lt;b&gt;",
)
"""Titles that try to be more than text."""
_ZONES = ((1, 1.0), (2, 6.0), (3, 24.0))
_SYLLABLES = (
    "ka",
    "lo",
    "mi",
    "tra",
    "ven",
    "do",
    "ri",
    "sha",
    "bel",
    "nu",
    "fo",
    "gar",
    "pi",
    "zen",
    "to",
    "qua",
    "an",
)


def make_videos(number: int, *, seed: int = 1, hostile: bool = True, days: int = 7) -> Iterator[Video]:
    """Yield made-up videos, the fastest first."""
    draw = random.Random(seed)
    words = ["".join(draw.choices(_SYLLABLES, k=draw.randint(1, 4))) for _ in range(3_000)]
    channels = [(f"UC{number:022d}", " ".join(draw.choices(words, k=2)).title()) for number in range(number // 3 + 1)]
    rates = sorted((draw.lognormvariate(2, 2.4) - 0.5 for _ in range(number)), reverse=True)
    for place, rate in enumerate(rates):
        age = timedelta(hours=draw.expovariate(1 / 90) + 0.7)
        span = min(age, timedelta(days=days))
        observed = AT - timedelta(minutes=draw.randint(0, 60 if age < DAY else 360 if age < 7 * DAY else 1440))
        views = int(abs(rate) * age / HOUR * draw.lognormvariate(0, 0.5)) + draw.randint(0, 900)
        known, out = draw.random() < 0.9, draw.random() < 0.02
        channel = draw.choice(channels)
        title = " ".join(draw.choices(words, k=draw.randint(3, 10))).capitalize()
        if hostile and place < len(HOSTILE):
            title = HOSTILE[place]
        points = []
        if place < CURVES:
            steps = max(2, min(200, int(span / HOUR)))
            shape = draw.choice((0.5, 1.0, 2.5))
            points = [
                Point(observed - span + span * step / (steps - 1), int(views * (step / (steps - 1)) ** shape))
                for step in range(steps)
            ]
        heights = [draw.randint(0, 7) for _ in range(SLOTS)]
        yield Video(
            video_id=base64.urlsafe_b64encode(draw.randbytes(8)).decode().rstrip("="), title=title,
            channel_id=channel[0], channel=channel[1] if draw.random() < 0.99 else None,
            kind=draw.choices(list(Kind), (70, 28, 2))[0], zone=1 if age < DAY else 2 if age < 7 * DAY else 3,
            published_at=AT - age if draw.random() < 0.99 else None, observed_at=observed, views=views,
            views_per_hour=rate, views_per_hour_6h=rate * draw.lognormvariate(0, 0.4) if age > 6 * HOUR else None,
            views_per_hour_24h=rate * draw.lognormvariate(0, 0.6) if age > DAY else None,
            usual_per_hour=abs(rate) / draw.lognormvariate(0.5, 1) if known else None,
            score=draw.gauss(1, 2) + (8 if out else 0) if known else None,
            breakout_at=observed - draw.random() * 6 * HOUR if known and out else None,
            forecast_24h=_forecast(draw, views) if known and age < DAY else None,
            forecast_7d=_forecast(draw, views) if known and age < 7 * DAY else None,
            sparkline_from=observed - span if draw.random() < 0.97 else None, sparkline=heights, curve=points,
        )  # fmt: skip


def _forecast(draw: random.Random, views: int) -> Forecast:
    expected = views * draw.lognormvariate(0.7, 0.4) + 10
    return Forecast(expected * 0.6, expected, expected * 1.7)


def make_head(videos: int, *, seed: int = 1, days: int = 7, **changes: Any) -> Head:
    """Return a made-up head that agrees with ``make_videos`` where it must."""
    draw = random.Random(seed)
    dates = [(AT - number * DAY).date() for number in reversed(range(days))]
    breakouts = [
        RecentBreakout(
            f"breakout{number:03d}", f"Breakout number {number}", "A channel", AT - number * 2 * HOUR,
            None if number < 9 else AT - number * 2 * HOUR + 5 * HOUR, draw.uniform(6, 30), draw.randint(500, 90_000),
            draw.uniform(50, 9_000), draw.uniform(1, 90), draw.uniform(9_000, 20_000),
        )
        for number in range(min(60, videos))
    ]  # fmt: skip
    runs = [
        RunMark(
            AT - number * HOUR / 2, ("hunter", "tracker", "tracker", "janitor")[number % 4], f"{number % 3}/3", 1,
            draw.choices(["ok", "idle", "churn", "quota-exhausted", "failure", None], (80, 5, 8, 3, 3, 1))[0],
            draw.uniform(5, 300), draw.randint(0, 90) if number % 4 == 0 else None,
            draw.randint(0, 5_000) if number % 4 in (1, 2) else None, None,
            f"https://github.com/me/mine/actions/runs/{number}" if number % 2 else None,
        )
        for number in range(200 if videos else 0)
    ]  # fmt: skip
    queries = [
        QueryYield(f"query {number}", "active", 40 - number, 900, 400 - number * 9, number % 5, AT - number * HOUR)
        for number in range(40 if videos else 0)
    ]
    head = Head(
        title="What is taking off", version="1.0.0", generated_at=AT, days=days, time_zone="UTC",
        newest=Newest(AT - HOUR / 3 if videos else None, AT + 7 * HOUR / 6 if videos else None, late=False),
        tracked=Counted(videos + videos // 9, exact=True), snapshots=Counted(videos * 100, exact=videos < 1_000),
        channels=Counted(videos // 3, exact=True), videos=videos, left_out=0, breakout_min_score=6.0,
        breakout_min_views_per_hour=50,
        zones=[
            ZoneFreshness(
                zone, hours, hours * 1.5, Counted(videos // 3, exact=True), Counted(videos // 90, exact=True),
                videos // 3, int(videos // 3 * 0.97),
                [ZoneDay(day, 1_000, draw.randint(900, 1_000)) for day in dates if videos],
            )
            for zone, hours in _ZONES
        ],
        sample=min(videos, 2_000), sample_is_all=videos <= 2_000, breakouts=breakouts, breakouts_number=len(breakouts),
        open_breakouts=sum(each.ended_at is None for each in breakouts),
        discovery=[Day(day, *((draw.randint(0, 900), 100, 7) if videos else (0, 0, 0))) for day in dates],
        queries=queries, queries_number=len(queries),
        quota=[
            Quota("search", 80, 2, 100, 20, AT), Quota("units", 1_500, 0, 10_000, 8_500, AT),
            Quota("batchGetStats", 120, 0, None, None, AT),
        ],
        quota_missing=None, runs=runs, runs_number=len(runs),
        search_gaps=[SearchGap(AT - DAY, HOSTILE[0], AT - 2 * DAY, AT - DAY, "pages")] if videos else [],
        search_gaps_number=1 if videos else 0,
        breaks=[BreakInCollection(AT - 30 * HOUR, AT - 27 * HOUR)] if videos else [],
        freezes=[Freeze(AT - 50 * HOUR, AT - 46 * HOUR, confirmed=True, videos=90, channels=40)] if videos else [],
        retention=Retention(30, 30, 7, 30),
    )  # fmt: skip
    return replace(head, **changes)


def make_payload(videos: int, *, seed: int = 1, hostile: bool = True, days: int = 7, **changes: Any) -> Payload:
    """Return a made-up payload; ``changes`` are fields of the head."""
    encoder = Encoder(AT)
    made = make_videos(videos, seed=seed, hostile=hostile, days=days)
    while batch := list(itertools.islice(made, 1_000)):
        encoder.add(batch)
    return encoder.payload(make_head(videos, seed=seed, days=days, **changes))


def decoded(payload: Payload) -> dict[str, list[Any]]:
    """Return the columns of the block as a browser reads them, by the description in the head alone."""
    block = zlib.decompress(base64.b64decode(payload.block_text()))
    assert len(block) == payload.about_block["bytes"]
    codes: dict[str, list[Any]] = {}
    values: dict[str, list[Any]] = {}
    for name, about in payload.about_block["columns"].items():
        data = block[about["offset"] : about["offset"] + about["length"]]
        codes[name] = _READERS[about["coding"]](data, about, codes)
        values[name] = [_value(code, about) for code in codes[name]]
        assert len(values[name]) == about["count"], name
    return values


def _numbers(data: bytes, about: dict[str, Any], codes: dict[str, list[Any]]) -> list[int | None]:
    found: list[int | None] = []
    number, factor, last = 0, 1, 0
    for byte in data:
        number += (byte & 127) * factor
        factor *= 128
        if byte & 128:
            continue
        code, number, factor = number, 0, 1
        if about.get("nullable"):
            code -= 1
            if code < 0:
                found.append(None)
                continue
        if about.get("signed"):
            code = -(code + 1) // 2 if code % 2 else code // 2
        if about.get("delta"):
            code = last = last + code
        if about.get("minus"):
            code += codes[about["minus"]][len(found)] or 0
        found.append(code)
    return found


def _value(code: Any, about: dict[str, Any]) -> Any:
    if about["coding"] != "numbers" or code is None:
        return code
    if log := about.get("log"):
        return math.copysign(math.expm1(abs(code) / log), code)
    return code / about["scale"] if "scale" in about else code


def _texts(data: bytes, *_: Any) -> list[str]:
    return data.decode().split("\n")[:-1]


def _ids(data: bytes, *_: Any) -> list[str]:
    return [base64.urlsafe_b64encode(bytes(eight)).decode().rstrip("=") for eight in _batches(data, 8)]


def _sparklines(data: bytes, *_: Any) -> list[list[int]]:
    return [[byte >> bits & 15 for byte in twelve for bits in (4, 0)] for twelve in _batches(data, SLOTS // 2)]


def _batches(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


_READERS: dict[str, Callable[..., list[Any]]] = {
    "numbers": _numbers, "texts": _texts, "ids": _ids, "sparklines": _sparklines,
}  # fmt: skip
