"""`maia status`: the morning page in the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from atlas.adapters.growth import Riser
from atlas.adapters.overview import Overview
from atlas.clock import clock
from atlas.commands.json_output import echo_json
from atlas.commands.times import span
from atlas.database import database
from atlas.event_types import FAILED_OUTCOMES
from atlas.figures import compact, counted, duration_text
from atlas.sanitize import sanitize_line
from atlas.times import local
from maia.commands.running import run
from maia.commands.status_state import Problem, RingQuota, State, number_text, read_state, share_text
from maia.workflow.work_done import WorkDone

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["status", "status_view"]

_NAMES = {1: "hourly", 2: "6-hourly", 3: "daily"}
_CALCULATED = "(calculated by Maia from YouTube data; not YouTube's own metric)"

MaxAge = Annotated[
    str | None,
    typer.Option(
        "--max-age",
        metavar="DURATION",
        help="How old the newest snapshot may be, such as 90s, 20m, 3h or 2d; default: the promise of the fastest "
        "zone with videos (1.5 of its intervals).",
        show_default=False,
    ),
]


def status(
    max_age: MaxAge = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Print only what is stale or failing, and end with 1 if anything is.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for other programs.")] = False,
) -> None:
    """Show on one page how fresh the data is, what ran, what is left of the quota, what rises, and what is wrong.

    A zone promises that two successive snapshots of a video lie at most 1.5 of its intervals apart: 90 minutes, 9 hours
    and 36 hours. `atlas status` shows the server and the storage.

    \b
      maia status
      maia status --check --max-age 3h || echo "collection is stale"
    """
    limit = span(max_age, "--max-age")

    async def work() -> State:
        database.application_name = "maia status"
        async with database.session():
            return await read_state(limit)

    state = run(work)
    if as_json:
        echo_json(_checked(state) if check else _as_json(state), indent=True)
    elif check:
        for problem in state.failing:
            typer.echo(sanitize_line(f"{problem.kind}: {problem}"))
    else:
        from rich.console import Console  # noqa: PLC0415

        Console().print(view(state))
    if check and state.failing:
        raise typer.Exit(1)


async def status_view() -> RenderableType:
    """Return the page of now, to be shown again and again; inside ``database.session()`` it keeps its connection."""
    async with database.session():
        return view(await read_state())


# ── the page ────────────────────────────────────────────────────────────────────────────────────────────────────────


def view(state: State) -> Table:
    """Return the page, at most 80 columns wide where no text is longer."""
    overview = state.overview
    page = Table.grid(Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
    page.add_row("now", local(overview.at))
    page.add_row("newest snapshot", _newest(state))
    page.add_row("freshness", _zones(overview))
    page.add_row("next", _next(overview))
    page.add_row("last runs", _last_runs(state))
    page.add_row("last 24 h", _outcomes(state.outcomes))
    page.add_row("quota left", _quota(state.quota))
    page.add_row("rising", _rising(state.risers))
    page.add_row("breakouts", _breakouts(state))
    page.add_row("problems", _problems(state.problems))
    return page


def _newest(state: State) -> Text:
    overview = state.overview
    if overview.newest is None:
        return Text("none yet")
    age = overview.at - overview.newest
    late = any(problem.kind == "stale-snapshots" for problem in state.problems)
    word = Text("LATE", "bold red") if late else Text("in time", "green")
    return Text.assemble(
        f"{local(overview.newest)}, {duration_text(age)} old: ", word, f" (limit {duration_text(state.max_age)})"
    )


def _zones(overview: Overview) -> Table:
    right = (Column(name, justify="right", no_wrap=True) for name in ("tracked", "within", "promise", "due", "overdue"))
    table = Table(Column("zone", no_wrap=True), *right, "", box=None, padding=(0, 2, 0, 0))
    for zone in overview.zones:
        late = zone.lateness(overview.at)
        table.add_row(
            f"{zone.zone} {_NAMES.get(zone.zone, '')}",
            number_text(zone.tracked),
            share_text(zone),
            duration_text(zone.promise),
            number_text(zone.due),
            f"+{duration_text(late)}" if late else "",
            Text("STALE", "bold red") if zone.is_stale else Text("ok" if zone.tracked.number else "", "green"),
        )
    return table


def _next(overview: Overview) -> Text:
    lines = []
    if overview.next_reading is None:
        lines.append("the Tracker has no video to read" if overview.any_video else "the Tracker has no video yet")
    elif overview.next_reading <= overview.at:
        lines.append("the Tracker has work now: maia tracker")
    else:
        lines.append(f"the Tracker next has work at {_when(overview.next_reading, overview.at)}")
    if overview.due_queries:
        many = f"{overview.due_queries:,}" + (" or more" if overview.due_queries >= 1_000 else "")
        lines.append(f"the Hunter has work now: {many} {'query' if overview.due_queries == 1 else 'queries'} due")
    elif overview.next_search is not None and overview.next_search > overview.at:
        lines.append(f"the Hunter next has work at {_when(overview.next_search, overview.at)}")
    elif not overview.queries:
        lines.append('the Hunter has no query: maia queue add "your query"')
    else:
        lines.append("the Hunter has no query that is due")
    return Text("\n".join(lines))


def _when(at: datetime, now: datetime) -> str:
    return f"{local(at)} (in {duration_text(at - now + timedelta(seconds=30))})"  # rounded, as minutes


def _last_runs(state: State) -> Table | str:
    if not state.runs:
        return "none yet"
    table = Table.grid(*(Column(no_wrap=True) for _ in range(3)), Column(), padding=(0, 1, 0, 0))
    for agent, rows in sorted(state.runs.items(), key=lambda pair: pair[1][0].started_at, reverse=True):
        outcomes = Counter(row.state(state.real) for row in rows)
        words = ", ".join(word if len(rows) == 1 else f"{number} {word}" for word, number in outcomes.most_common())
        bad = (FAILED_OUTCOMES | {"killed"}) & {*outcomes}
        done = WorkDone.of(row.stats for row in rows)
        figures = {"new": done.new_videos, "snapshots": done.snapshots, "calls": done.calls}
        what = ", ".join(f"{compact(number)} {noun}" for noun, number in figures.items() if number)
        table.add_row(
            Text(sanitize_line(agent)), local(rows[0].started_at), Text(words, "bold red" if bad else ""), what
        )
    return table


def _outcomes(outcomes: Mapping[str, int]) -> str:
    total = sum(outcomes.values())
    failures = sum(number for outcome, number in outcomes.items() if outcome in FAILED_OUTCOMES)
    parts = [counted(total, "run"), counted(outcomes.get("churn", 0), "churn"), counted(failures, "failure")]
    parts += [f"{outcomes[word]:,} {word}" for word in ("killed", "running") if outcomes.get(word)]
    return ", ".join(parts)


def _quota(quota: Sequence[RingQuota]) -> Text:
    if not quota:
        return Text("unknown: no key in YOUTUBE_API_KEY_POOL_JSON here")
    lines = []
    for ring in quota:
        left = ", ".join(f"{bucket} {number:,}" for bucket, number in ring.left.items())
        lines.append(f"{'all rings' if ring.shared else ring.ring} ({counted(ring.keys, 'key')}): {ring.error or left}")
    resets = [at for ring in quota for at in ring.resets.values()]
    if resets:
        lines.append(f"reset at {_when(min(resets), clock.now())}, midnight Pacific")
    return Text("\n".join(lines))


def _rising(risers: Sequence[Riser]) -> Group | str:
    if not risers:
        return "nothing yet: growth needs two readings of a video"
    # only the title is cut
    table = Table.grid(
        Column(justify="right", no_wrap=True), Column(justify="right", no_wrap=True),
        Column(no_wrap=True, overflow="ellipsis", ratio=1), Column(no_wrap=True), padding=(0, 1, 0, 0), expand=True,
    )  # fmt: skip
    for riser in risers:
        title = sanitize_line(riser.title or "(no title)")
        times = f"{compact(riser.times_usual)}x usual" if riser.times_usual else ""
        table.add_row(f"{compact(riser.views_per_hour)} views/h", times, Text(title), Text(riser.video_id))
    return Group(table, _CALCULATED)


def _breakouts(state: State) -> Text:
    number = state.overview.open_breakouts
    if not number:
        return Text("none is open")
    latest = state.breakouts[0] if state.breakouts else None
    text = f"{number:,} open" if number < 1_000 else "1,000 or more open"
    if latest is not None:
        text += f"; the latest of {local(latest.detected_at)}: {sanitize_line(latest.title or latest.video_id)}"
    return Text(text, no_wrap=True, overflow="ellipsis")


def _problems(problems: Sequence[Problem]) -> Text:
    if not problems:
        return Text("none", "green")
    lines = []
    for problem in problems:
        mark = Text("! ", "bold red") if problem.failing else Text("- ", "yellow")
        lines.append(mark + Text(sanitize_line(str(problem))))
    return Text("\n").join(lines)


# ── for programs ────────────────────────────────────────────────────────────────────────────────────────────────────


def _checked(state: State) -> dict[str, Any]:
    return {"at": state.overview.at, "ok": not state.failing, "problems": [asdict(each) for each in state.problems]}


def _as_json(state: State) -> dict[str, Any]:
    """Return the object that docs/terminal.md describes."""
    overview = state.overview
    age = None if overview.newest is None else (overview.at - overview.newest).total_seconds()
    return {
        **_checked(state),
        "newest_snapshot": {
            "at": overview.newest, "age_seconds": age, "max_age_seconds": state.max_age.total_seconds(),
            "late": any(problem.kind == "stale-snapshots" for problem in state.problems),
        },
        "zones": [
            {
                "zone": zone.zone, "interval_seconds": zone.interval.total_seconds(),
                "promise_seconds": zone.promise.total_seconds(), "tracked": asdict(zone.tracked),
                "due": asdict(zone.due), "late": asdict(zone.late), "share_kept": zone.share_kept,
                "oldest_due": zone.oldest_due, "lateness_seconds": zone.lateness(overview.at).total_seconds(),
                "stale": zone.is_stale,
            }
            for zone in overview.zones
        ],
        "next": {
            "reading": overview.next_reading, "search": overview.next_search, "due_queries": overview.due_queries,
        },
        "runs": {
            agent: [
                {
                    "id": row.id, "run_id": row.run_id, "wave": row.wave, "shard": row.shard,
                    "started_at": row.started_at, "finished_at": row.finished_at,
                    "outcome": row.state(state.real), "exit_code": row.exit_code, "url": row.url,
                }
                for row in rows
            ]
            for agent, rows in state.runs.items()
        },
        "last_24h": dict(state.outcomes),
        "quota": [asdict(ring) for ring in state.quota],
        "risers": [
            {
                "video_id": riser.video_id, "title": riser.title, "channel": riser.channel,
                "observed_at": riser.observed_at, "views": riser.views, "views_per_hour": riser.views_per_hour,
                "times_usual": riser.times_usual, "score": riser.score,
            }
            for riser in state.risers
        ],
        "breakouts": {"open": overview.open_breakouts, "latest": [asdict(each) for each in state.breakouts]},
    }  # fmt: skip
