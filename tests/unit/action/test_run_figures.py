"""The sections of a run's report: safe for any title, and bounded for any result file."""

from __future__ import annotations

import re
from typing import Any

import pytest

from action.run_figures import of_run
from action.runner import LARGEST_SUMMARY

from ...support.mermaid import charts


def riser(**more: Any) -> dict[str, Any]:
    return {
        "video_id": "dQw4w9WgXcQ", "title": "A title", "channel": "A channel", "kind": "video", "views": 12_345,
        "views_per_hour": 1234.5, "times_usual": 4.2, "breaking_out": False, "sparkline": "▁▃█", **more,
    }  # fmt: skip


def growth(*risers: object) -> dict[str, Any]:
    return {"growth": {"since": "2026-11-30T08:00:00Z", "risers": list(risers)}}


def cells(row: str) -> list[str]:
    """The cells of a row as GitHub splits it: at each pipe that is not escaped."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def rows(text: str) -> list[list[str]]:
    """The rows of the tables, without their headings."""
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [cells(line) for found in tables for line in found.splitlines()[2:]]


def test_risers_are_a_table_and_a_chart_by_place() -> None:
    text = of_run(growth(riser(), riser(kind="short", breaking_out=True, views_per_hour=99.5, times_usual=None)))
    link = "[`A title`](https://www.youtube.com/watch?v=dQw4w9WgXcQ)"
    assert rows(text) == [
        ["1", link, "`A channel`", "▁▃█", "", "12,345", "1,234", "4.2"],
        ["2", link, "`A channel`", "▁▃█", "short, **breaking out**", "12,345", "99.5", ""],
    ]
    (chart,) = charts(text)
    assert (chart.labels, chart.values, chart.end) == (["1", "2"], [1234, 99.5], 1234)
    assert "calculated by Maia from YouTube's view counts; they are not metrics of YouTube" in text


HOSTILE = (
    "a | b", "a \\| b \\", "`` ` ``` `", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1)) ]( ", "# h\n\n## h",
    "a\r\n| b | c |", "\u202egnp.exe\u2066", "@maintainers #1 pleiades/maia#2", "::error::x ##[group]", "x" * 5_000,
    "```mermaid\nxychart-beta", "&#124; &lt;script&gt;", "www.evil.example https://evil.example", "-->", "",
    "\ud800", "\x00\x1b[31m", "${{ secrets.X }}", "$$x$$ ~~y~~ *z* _w_",
)  # fmt: skip


@pytest.mark.parametrize("title", HOSTILE)
def test_a_title_of_others_stays_in_its_cell_as_code(title: str) -> None:
    moved = {"moved": [{"video_id": "x" * 11, "title": title, "before": 3, "after": 1}]}
    text = of_run(growth(riser(title=title, channel=title)) | {"movers": moved})
    (shown, mover) = rows(text)
    assert (len(shown), len(mover)) == (8, 4)
    code = r"`[^`|\n]{1,80}`"
    assert re.fullmatch(rf"\[{code}\]\(https://www\.youtube\.com/watch\?v=dQw4w9WgXcQ\)", shown[1])
    assert re.fullmatch(rf"\[{code}\]\(https://www\.youtube\.com/watch\?v=x{{11}}\)", mover[0])
    assert re.fullmatch(rf"({code})?", shown[2])
    assert len(charts(text)) == 1
    assert all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize(
    "stats",
    [
        {}, {"growth": None, "movers": 5, "quota": [], "cost": "x"}, growth("x", 5, None),
        {"growth": {"risers": "x"}, "movers": {"moved": {}}, "quota": {"spent": 1}},
        {"cost": {"minutes": "5", "jobs": 1.5}}, {"cost": {"minutes": True, "jobs": 1}},
        growth(riser(views_per_hour="1"), riser(views_per_hour=None), riser(views_per_hour=10**30)),
    ],
)  # fmt: skip
def test_what_is_not_as_expected_is_left_out(stats: dict[str, Any]) -> None:
    text = of_run(stats)
    assert charts(text) == []
    assert "|" not in text
    assert "Cost" not in text


def test_odd_values_of_a_riser_are_left_out_alone() -> None:
    odd = riser(
        video_id="a)](x", title=5, channel=[], kind="<b>", views=float(2**70), times_usual=True, breaking_out="yes",
        sparkline="▁<b>",
    )  # fmt: skip
    assert rows(of_run(growth(odd))) == [["1", "?", "", "", "", "", "1,234", ""]]
    assert charts(of_run(growth(riser(views_per_hour=-40.0)))) == [], "nothing rises"


def test_movers_entered_left_or_moved() -> None:
    places = [(None, 1), (12, 2), (1, 3), (9, 4), (2, 11), (3, None)]
    moved = [{"video_id": f"v{number}", "title": "t", "before": a, "after": b} for number, (a, b) in enumerate(places)]
    shown = [row[1:] for row in rows(of_run({"movers": {"moved": moved}}))]
    assert shown == [
        ["entered", "-", "1"], ["entered", "12", "2"], ["down", "1", "3"], ["up", "9", "4"], ["left", "2", "11"],
        ["left", "3", "-"],
    ]  # fmt: skip
    assert "No video entered, left or moved." in of_run({"movers": {"moved": []}})


def test_freshness_is_a_table_and_a_chart_of_the_zones_that_have_videos() -> None:
    zones = [
        {"zone": 1, "tracked": 200, "late": 5, "kept": 0.975, "promise_hours": 1.5, "waits_hours": 0.26},
        {"zone": 2, "tracked": 0, "late": 0, "kept": None, "promise_hours": 9.0, "waits_hours": 0.0},
        {"zone": 3, "tracked": 1, "late": 1, "kept": 0.0, "promise_hours": 36.0},
        {"zone": "4", "kept": 1, "promise_hours": 1}, "x",
    ]  # fmt: skip
    text = of_run({"freshness": {"zones": zones}})
    assert rows(text) == [
        ["zone 1", "1.5 h", "200", "5", "0.3 h", "97.5 %"], ["zone 3", "36 h", "1", "1", "", "0.0 %"],
    ]  # fmt: skip
    (chart,) = charts(text)
    assert (chart.labels, chart.values, chart.end) == (["zone 1", "zone 3"], [97.5, 0], 100)
    assert of_run({"freshness": {"zones": zones[1:2]}}) == ""


def test_quota_and_cost_say_what_is_counted() -> None:
    quota = {"spent": {"search": 12, "units": 3}, "left": {"search": 88}, "resets_at": "2026-11-21T08:00:00Z"}
    text = of_run({"quota": quota, "cost": {"minutes": 7, "jobs": 4, "unended": 1}})
    assert rows(text) == [["search", "88", "12"], ["units", "not known", "3"]]
    assert "It resets at 2026-11-21T08:00:00Z." in text
    assert "At least 7 minutes of runners: 4 jobs (plans, shards and this verdict), each rounded up" in text
    assert "1 of them wrote no end, and count one minute." in text
    assert "resets" not in of_run({"quota": quota | {"resets_at": "<b>"}})


def test_a_report_fits_into_a_summary() -> None:
    long = riser(title="\U0001f600" * 5_000, channel="\u4e2d" * 5_000)
    moved = [{"video_id": "x" * 11, "title": "\u4e2d" * 5_000, "before": 1, "after": 2}] * 10_000
    text = of_run(growth(*[long] * 10_000) | {"movers": {"moved": moved}})
    assert len(text.encode()) < LARGEST_SUMMARY / 20
