"""How what `maia report` shows is written into the page.

The page holds two texts:

1. **The head**: one JSON object of everything but the long columns: the fields of ``contents.Head``, in which times
   are ISO 8601 in UTC (``2026-11-30T08:00:00Z``), dates ``2026-11-30`` in the display time zone, and None is ``null``.
   It holds no ``<``, ``>`` or ``&``, so that it can stand within an element of HTML.
2. **The block**: columns of the videos and curves, one after the other, deflated by zlib (``DecompressionStream``
   with "deflate") and in base64.

The head's key ``block`` describes the inflated block: ``bytes`` (its length), and ``columns``, an object in the order
of the columns, of ``{offset, length, count, coding, …}``. The codings:

- ``numbers``: ``count`` whole numbers of at least 0, each in bytes of seven bits, the lowest first; all but the last
  byte of a number have the bit 128. They reach 2^53, so a reader multiplies and does not shift. The number n that is
  read becomes the value, in this order:
    - ``nullable``: 0 is null; otherwise n - 1 goes on.
    - ``signed``: an even n is n / 2, an odd one -(n + 1) / 2.
    - ``delta``: add the value of the row before (0 before the first).
    - ``minus``: add the code of the same row in the column of that name (which comes earlier; its code is the number
      before ``log``). A row whose other code is null counts it as 0.
    - ``log``: the number is a code c on a logarithmic scale: its value is sign(c) · (exp(|c| / log) - 1). With 200, its
      error is at most 0.26 % of 1 + |value|.
    - ``scale``: divide by it.
- ``texts``: ``count`` texts in UTF-8, a line feed after each. None of them holds a line feed.
- ``ids``: ``count`` ids of eight bytes, which in URL-safe base64 without padding are YouTube's 11 characters.
- ``sparklines``: ``count`` rows of twelve bytes: 24 heights from 0 to 7 in four bits each, the higher four bits of a
  byte first. Four deflate better than three, since heights that are alike become bytes that are alike.

The columns of videos have a row for each video, the fastest first (``rate_1h``, then the id):

=============  ====================================================================================================
column         value
=============  ====================================================================================================
id             YouTube's id
title          without control characters and marks of direction, at most ``TITLE`` characters; may be empty: unknown
channel        number of the channel, an index into the column channel_title; null: unknown
kind           0 long video, 1 Short, 2 live or upcoming
zone           1 to 3
published      minutes before ``generated_at``; negative: it is upcoming; null: unknown
observed       minutes before ``generated_at``: the last reading, whose ``views`` these are
views          views
rate_1h        views per hour between the last two readings
rate_6h        views per hour over the 6 h before the last reading; null: it has no reading that old
rate_24h       likewise over 24 h
usual          views per hour that videos like it usually gain at this age; null: too little is known
score          the breakout score; null: too little is known
breakout       minutes before ``generated_at`` at which its open breakout was detected; null: it is not breaking out
f24_low, f24, f24_high   forecast of the views 24 h after publication: expected, and the 80 % interval; null: none
f7_low, f7, f7_high      likewise 7 days after publication
spark_from     minutes before ``observed`` at which its sparkline begins; null: it has none
spark          gains in views in 24 equal parts of the time from ``spark_from`` to ``observed``: 0 none, 7 its largest
=============  ====================================================================================================

``channel_title`` has a row for each channel. The curves of the first videos (at most ``CURVES``):

=============  ====================================================================================================
curve_points   a row for each curve: the number of its points (at most ``POINTS``), oldest first; the first row is the
               curve of the first video, and so on
curve_times    a row for each point: the first of a curve in minutes before ``generated_at``, each other in minutes
               since the point before it
curve_views    a row for each point: the first of a curve in views, each other the change since the point before it
=============  ====================================================================================================
"""

from __future__ import annotations

import base64
import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import orjson

from atlas.adapters.growth import Forecast, Kind, Point
from atlas.figures import shortened
from atlas.sanitize import sanitize
from atlas.times import iso
from maia.report.columns import SLOTS, Ids, Numbers, Sparklines, Texts, log_code
from maia.report.contents import Head, Video

__all__ = ["CURVES", "FIRST", "POINTS", "SLOTS", "TITLE", "Encoder", "Payload", "for_html", "shown_title", "to_json"]

CURVES = 500
"""The videos whose whole curve is in the page: the fastest."""
POINTS = 200
"""The points of a curve at most; of more snapshots, the first, the last and evenly chosen ones are taken."""
FIRST = 50
"""The fastest videos, which the page holds as a plain table, too, for readers without JavaScript."""
TITLE = 120
"""The characters of a title; YouTube allows 100."""

_LEVEL = 7  # of deflating: 9 takes five times as long, and saves 1 %
_RATE = 200  # scale of logarithmic codes: steps of 0.5 %


@dataclass(frozen=True)
class Payload:
    """A head, and the deflated block."""

    head: Head
    block: bytes
    about_block: dict[str, Any] = field(default_factory=dict)
    first: Sequence[Video] = ()
    """The first videos of the block, at most ``FIRST``."""

    def head_json(self) -> str:
        """Return the head as JSON that can stand within an element of HTML."""
        return for_html({**_fields(self.head), "block": self.about_block})

    def block_text(self) -> str:
        """Return the block in base64."""
        return base64.b64encode(self.block).decode("ascii")


def for_html(value: Any) -> str:
    """Return JSON that can stand within an element of HTML."""
    text = to_json(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def to_json(value: Any) -> bytes:
    """Return JSON of the types of this module."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS)


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


_KINDS = {Kind.VIDEO: 0, Kind.SHORT: 1, Kind.LIVE: 2}
_MINUTE = timedelta(minutes=1)


class Encoder:
    """Write videos into columns, one after the other, the fastest first.

    Args:
        at: ``generated_at``, from which times are counted.
    """

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._channels: dict[str, int] = {}
        self.videos = 0
        self._first: list[Video] = []
        before, per_hour = "minutes before generated_at", "views per hour"
        rate: dict[str, Any] = {"unit": per_hour, "signed": True, "log": _RATE}
        count: dict[str, Any] = {"unit": "views", "signed": True, "nullable": True, "log": _RATE}
        self._id, self._title, self._channel_title = Ids(), Texts(), Texts()
        self._channel = Numbers(unit="index of channel_title", nullable=True)
        self._kind, self._zone = Numbers(unit="kind"), Numbers(unit="zone")
        self._published = Numbers(unit=before, signed=True, nullable=True)
        self._observed = Numbers(unit=before, signed=True)
        self._views = Numbers(unit="views")
        self._rate_1h = Numbers(**rate, delta=True)
        self._others = {name: Numbers(**rate, nullable=True, minus="rate_1h") for name in ("rate_6h", "rate_24h")}
        self._usual = Numbers(**rate, nullable=True)
        self._score = Numbers(unit="score", signed=True, nullable=True, scale=10)
        self._breakout = Numbers(unit=before, signed=True, nullable=True)
        self._forecasts = {
            name: (Numbers(**count), Numbers(**count, minus=name), Numbers(**count, minus=name))
            for name in ("f24", "f7")
        }
        self._spark_from = Numbers(unit="minutes before observed", nullable=True)
        self._spark = Sparklines()
        self._curve_points = Numbers(unit="points")
        self._curve_times = Numbers(unit="minutes", signed=True)
        self._curve_views = Numbers(unit="views", signed=True)

    def _columns(self) -> dict[str, Ids | Texts | Numbers | Sparklines]:
        columns: dict[str, Ids | Texts | Numbers | Sparklines] = {
            "id": self._id, "title": self._title, "channel": self._channel, "channel_title": self._channel_title,
            "kind": self._kind, "zone": self._zone, "published": self._published, "observed": self._observed,
            "views": self._views, "rate_1h": self._rate_1h, **self._others, "usual": self._usual, "score": self._score,
            "breakout": self._breakout,
        }  # fmt: skip
        for name, (expected, low, high) in self._forecasts.items():
            columns |= {name: expected, f"{name}_low": low, f"{name}_high": high}
        return columns | {
            "spark_from": self._spark_from, "spark": self._spark, "curve_points": self._curve_points,
            "curve_times": self._curve_times, "curve_views": self._curve_views,
        }  # fmt: skip

    def _ago(self, moment: datetime | None) -> int | None:
        return None if moment is None else round((self._at - moment) / _MINUTE)

    def add(self, videos: Sequence[Video]) -> None:
        """Append videos. Those with a curve come first."""
        self._first += [replace(video, curve=()) for video in videos[: max(0, FIRST - self.videos)]]
        for video in videos:
            self._id.add(video.video_id)
            self._title.add(shown_title(video.title))
            self._spark.add(video.sparkline)
            if video.curve:
                self._add_curve(video.curve)
            self.videos += 1
        self._channel.extend(map(self._channel_number, videos))
        self._kind.extend(_KINDS[video.kind] for video in videos)
        self._zone.extend(video.zone for video in videos)
        self._published.extend(self._ago(video.published_at) for video in videos)
        self._observed.extend(self._ago(video.observed_at) for video in videos)
        self._breakout.extend(self._ago(video.breakout_at) for video in videos)
        self._spark_from.extend(
            None if (begins := video.sparkline_from) is None else max(0, round((video.observed_at - begins) / _MINUTE))
            for video in videos
        )
        self._views.extend(video.views for video in videos)
        rates = [log_code(video.views_per_hour, _RATE) for video in videos]
        self._rate_1h.extend(rates)
        for name, others in (
            ("rate_6h", [video.views_per_hour_6h for video in videos]),
            ("rate_24h", [video.views_per_hour_24h for video in videos]),
        ):
            self._others[name].extend(
                None if other is None else log_code(other, _RATE) - rate
                for other, rate in zip(others, rates, strict=True)
            )
        self._usual.extend(
            None if video.usual_per_hour is None else log_code(video.usual_per_hour, _RATE) for video in videos
        )
        self._score.extend(None if video.score is None else round(video.score * 10) for video in videos)
        self._add_forecasts("f24", [video.forecast_24h for video in videos])
        self._add_forecasts("f7", [video.forecast_7d for video in videos])

    def _channel_number(self, video: Video) -> int | None:
        if not video.channel:
            return None
        key = video.channel_id or video.channel
        number = self._channels.get(key)
        if number is None:
            number = self._channels[key] = len(self._channels)
            self._channel_title.add(shown_title(video.channel))
        return number

    def _add_forecasts(self, name: str, forecasts: Sequence[Forecast | None]) -> None:
        expected, low, high = self._forecasts[name]
        codes = [None if each is None else log_code(each.expected, _RATE) for each in forecasts]
        expected.extend(codes)
        for column, end in ((low, 0), (high, 2)):
            column.extend(
                None if each is None or code is None else log_code(each[end], _RATE) - code
                for each, code in zip(forecasts, codes, strict=True)
            )

    def _add_curve(self, curve: Sequence[Point]) -> None:
        if self._curve_points.count != self.videos:
            raise ValueError("a curve after a video without one")
        self._curve_points.extend([len(curve)])
        # rounded moments, not rounded steps, whose errors would add up
        ago = [round((self._at - point.observed_at) / _MINUTE) for point in curve]
        self._curve_times.extend([ago[0], *(earlier - later for earlier, later in itertools.pairwise(ago))])
        views = [point.views for point in curve]
        self._curve_views.extend([views[0], *(later - earlier for earlier, later in itertools.pairwise(views))])

    def payload(self, head: Head) -> Payload:
        """Return the payload; nothing can be added afterwards."""
        deflate = zlib.compressobj(_LEVEL)
        pieces, about, offset = [], {}, 0
        for name, column in self._columns().items():
            length = len(column.data)
            about[name] = {"offset": offset, "length": length, "count": column.count, **column.about()}
            offset += length
            pieces.append(deflate.compress(column.data))
            column.data = bytearray()  # its memory is free before the page is made
        pieces.append(deflate.flush())
        return Payload(head, b"".join(pieces), {"bytes": offset, "columns": about}, self._first)


def shown_title(title: str | None) -> str:
    """Return a title or a name for the page: one line of at most ``TITLE`` characters."""
    return shortened(sanitize((title or "")[: 4 * TITLE]).strip(), TITLE)
