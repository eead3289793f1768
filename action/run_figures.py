"""Write what a run left in the database: what rises, who moved, how fresh the data is, the quota, and the cost.

The stats of `maia verdict` (maia/workflow/run_figures.py) come from any image: what is not as expected is left out.
Every title and channel is foreign text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from action import chart
from action.result import Number, figures, number
from action.text import cell, table

_VIDEO = re.compile(r"[A-Za-z0-9_-]{1,20}")
_SPARKLINE = re.compile("[\u2581-\u2588]{1,60}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_MOST_RISERS = 20
_MOST_MOVERS = 40
_MOST_ZONES = 9
_BUCKETS = ("search", "units", "batchGetStats")
_SOURCE = (
    "Views per hour and times the usual are calculated by Maia from YouTube's view counts; they are not metrics of "
    "YouTube.\n\n"
)


def of_run(stats: Mapping[str, object]) -> str:
    """Return the sections of a run's report in Markdown."""
    parts = (_risers(stats), _movers(stats), _freshness(stats), _quota(stats), _cost(stats))
    return "".join(part for part in parts if part)


def _risers(stats: Mapping[str, object]) -> str:
    found = _mapping(stats, "growth")
    if found is None:
        return ""
    risers = [one for one in _rows(found, "risers")[:_MOST_RISERS] if number(one, "views_per_hour") is not None]
    if not risers:
        return _section("Fastest risers") + "No video that was read has two readings yet.\n\n"
    rates = [number(one, "views_per_hour") or 0 for one in risers]
    labels = [str(place) for place, _ in enumerate(risers, 1)]
    header = ("", "video", "channel", "curve", "state", "views", "views per hour", "times the usual")
    rows = [
        (
            place, _video(one), cell(_text(one, "channel"), 40), _spark(one), _state(one),
            _shown(number(one, "views")), _shown(rate), _shown(number(one, "times_usual")),
        )
        for place, one, rate in zip(labels, risers, rates, strict=True)
    ]  # fmt: skip
    drawn = chart.bars("Views per hour by place in the table", labels, "views per hour", rates)
    return _section("Fastest risers") + table(header, rows, numbers=3) + "\n" + drawn + ("\n" * bool(drawn)) + _SOURCE


def _state(one: Mapping[str, object]) -> str:
    kind = one.get("kind")
    words = [str(kind)] if kind in {"short", "live"} else []
    return ", ".join([*words, *(["**breaking out**"] if one.get("breaking_out") is True else [])])


def _movers(stats: Mapping[str, object]) -> str:
    found = _mapping(stats, "movers")
    if found is None:
        return ""
    rows = []
    for one in _rows(found, "moved")[:_MOST_MOVERS]:
        before, after = (number(one, name) for name in ("before", "after"))
        rows.append((_video(one), _move(before, after), _shown(before) or "-", _shown(after) or "-"))
    text = _section("Moved among the ten fastest since the run before")
    if not rows:
        return text + "No video entered, left or moved.\n\n"
    return text + table(("video", "move", "before", "now"), rows, numbers=2) + "\n"


_LAST_PLACE = 10


def _move(before: Number | None, after: Number | None) -> str:
    was_in, is_in = (place is not None and place <= _LAST_PLACE for place in (before, after))
    if is_in and not was_in:
        return "entered"
    if was_in and not is_in:
        return "left"
    return "up" if (after or 0) < (before or 0) else "down"


def _freshness(stats: Mapping[str, object]) -> str:
    found = _mapping(stats, "freshness")
    rows, labels, shares = [], [], []
    for one in _rows(found or {}, "zones")[:_MOST_ZONES]:
        zone, kept, promise = (number(one, name) for name in ("zone", "kept", "promise_hours"))
        if zone is None or kept is None or promise is None:
            continue  # a zone without videos has kept nothing
        labels.append(f"zone {zone:.0f}")
        shares.append(100 * kept)
        waits = number(one, "waits_hours")
        rows.append(
            (
                labels[-1], f"{promise:g} h", _shown(number(one, "tracked")), _shown(number(one, "late")),
                "" if waits is None else f"{waits:.1f} h", f"{100 * kept:.1f} %",
            )
        )  # fmt: skip
    if not rows:
        return ""
    header = ("zone", "read at most this far apart", "videos", "late", "longest overdue", "in time")
    drawn = chart.bars("Videos that were read in time", labels, "% of the zone", shares, most=100)
    return _section("Freshness by zone") + table(header, rows, numbers=5) + "\n" + drawn + "\n" * bool(drawn)


def _quota(stats: Mapping[str, object]) -> str:
    found = _mapping(stats, "quota")
    if found is None:
        return ""
    spent, left = (figures(found.get(name)) for name in ("spent", "left"))
    rows = [
        (name, _shown(left.get(name)) or "not known", _shown(spent.get(name)) or "0")
        for name in _BUCKETS
        if name in spent or name in left
    ]
    if not rows:
        return ""
    reset = _moment(found.get("resets_at"))
    return (
        _section("Quota of the Pacific day")
        + table(("bucket", "left for this agent's keys", "spent by all keys"), rows, numbers=2)
        + ("\n" + f"It resets at {reset}. " if reset else "\n")
        + "Left is what the last plan counted, less the calls of the shards since then.\n\n"
    )


def _cost(stats: Mapping[str, object]) -> str:
    found = figures(stats.get("cost"))
    minutes, jobs, unended = (found.get(name) for name in ("minutes", "jobs", "unended"))
    if type(minutes) is not int or type(jobs) is not int:
        return ""
    text = (
        f"At least {minutes:,} {'minute' if minutes == 1 else 'minutes'} of runners: {jobs:,} "
        f"{'job' if jobs == 1 else 'jobs'} (plans, shards and this verdict), each rounded up to a minute. Counted is "
        "the time that Maia worked; the start of a job and its image can add a minute to each."
    )
    if type(unended) is int and unended:
        text += f" {unended:,} of them wrote no end, and count one minute."
    return _section("Cost") + text + " GitHub bills them in private repositories alone.\n\n"


def _section(heading: str) -> str:
    return f"#### {heading}\n\n"


def _video(one: Mapping[str, object]) -> str:
    video = one.get("video_id")
    if not isinstance(video, str) or not _VIDEO.fullmatch(video):
        return cell(_text(one, "title")) or "?"
    return f"[{cell(_text(one, 'title')) or cell(video)}](https://www.youtube.com/watch?v={video})"


def _spark(one: Mapping[str, object]) -> str:
    line = one.get("sparkline")
    return line if isinstance(line, str) and _SPARKLINE.fullmatch(line) else ""


def _text(found: Mapping[str, object], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _mapping(found: Mapping[str, object], name: str) -> Mapping[str, object] | None:
    value = found.get(name)
    return value if isinstance(value, Mapping) else None


def _rows(found: Mapping[str, object], name: str) -> Sequence[Mapping[str, object]]:
    value = found.get(name)
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _shown(value: Number | None) -> str:
    if value is None:
        return ""
    return f"{value:,.1f}" if isinstance(value, float) and abs(value) < 100 else f"{value:,.0f}"


def _moment(value: object) -> str:
    return value if isinstance(value, str) and _MOMENT.fullmatch(value) else ""
