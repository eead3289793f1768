"""`maia status`: the morning page in the terminal."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from atlas.adapters.growth import Breakout, GrowthDAO, Riser
from atlas.adapters.keys import KeyDAO
from atlas.adapters.overview import Overview, OverviewDAO, ZoneState
from atlas.adapters.plans import PlanDAO
from atlas.adapters.runs import ProcessRow, RunDAO
from atlas.clock import clock
from atlas.commands.json_output import echo_json
from atlas.commands.times import span
from atlas.config import settings
from atlas.config.keypool import RINGS, KeyPool
from atlas.database import database
from atlas.errors import ConfigError, KeysRejected, MissingRight
from atlas.event_types import FAILED_OUTCOMES
from atlas.figures import compact, duration_text
from atlas.sanitize import sanitize_line
from atlas.times import local
from maia.commands.running import run
from maia.runtime.exitcodes import entry
from maia.workflow.work_done import WorkDone

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["State", "status", "status_view"]

_DAY = timedelta(days=1)
_TOP = 3
_BACKLOG = 5_000
"""Videos that wait for the Hunter to enrich or archive them: fewer are the normal rest of a run."""
_LONGEST_CAUSE = 240  # characters; `maia runs last` shows all
_NAMES = {1: "hourly", 2: "6-hourly", 3: "daily"}
_CALCULATED = "(calculated by Maia from YouTube data; not YouTube's own metric)"


@dataclass(frozen=True)
class Problem:
    """Something that needs attention, and what to do. ``failing``: `--check` ends with 1."""

    kind: str
    text: str
    advice: str
    failing: bool = True

    def __str__(self) -> str:
        return f"{self.text}. {self.advice}"


@dataclass(frozen=True)
class RingQuota:
    """What the keys of a ring can still spend today, by bucket, and when each bucket is reset (schedule clock)."""

    ring: str
    keys: int
    left: Mapping[str, int]
    resets: Mapping[str, datetime]
    shared: bool = False
    """All rings share the keys of this one."""
    error: str | None = None
    """Why the ring has no number: every key is rejected, or the database user may not read about keys."""


@dataclass(frozen=True)
class State:
    """Everything that the page shows."""

    overview: Overview
    runs: Mapping[str, Sequence[ProcessRow]]
    outcomes: Mapping[str, int]
    """Runs of the last 24 h by outcome."""
    quota: Sequence[RingQuota]
    risers: Sequence[Riser]
    breakouts: Sequence[Breakout]
    problems: Sequence[Problem]
    real: datetime
    """The real time, which times of runs are in."""
    max_age: timedelta

    @property
    def failing(self) -> list[Problem]:
        """Return the problems that make `--check` fail."""
        return [problem for problem in self.problems if problem.failing]


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


async def read_state(max_age: timedelta | None = None) -> State:
    """Read what the page shows; ``max_age`` is how old the newest snapshot may be (None: the zones' promise)."""
    runs, growth = RunDAO(), GrowthDAO()
    # the ranking takes longest: the others are read meanwhile
    risers, (overview, last, outcomes, breakouts, (quota, problems), backlog) = await asyncio.gather(
        growth.risers(limit=_TOP),
        _in_turn(
            OverviewDAO().read(),
            runs.last_by_agent(),
            runs.count_outcomes(_DAY),
            growth.breakouts(limit=_TOP, only_open=True),
            _read_quota(),
            PlanDAO().unfinished_videos(_BACKLOG + 1, archive=settings.vault_provider != "off"),
        ),
    )
    found = [
        *_freshness_problems(overview, max_age),
        *_run_problems(last),
        *problems,
        *_other_problems(overview, backlog),
    ]
    found.sort(key=lambda problem: not problem.failing)
    limit = max_age or overview.promise
    return State(overview, last, outcomes, quota, risers, breakouts, found, clock.real(), limit)


async def _in_turn(*work: Awaitable[Any]) -> list[Any]:
    """Return the results of the work, done one after the other on one connection."""
    return [await each for each in work]


async def _read_quota() -> tuple[list[RingQuota], list[Problem]]:
    """Return what each ring has left, and the problems with keys. Without keys: neither."""
    try:
        pool = settings.key_rings
    except ConfigError as error:
        return [], [Problem("keys", str(error).rstrip("."), "Fix the setting")]
    try:
        return await _read_rings(pool)
    except MissingRight:  # an analyst
        why = "unknown, since this database user may not read about keys"
        return [RingQuota(ring, len(pool[ring]), {}, {}, pool.shared, why) for ring in _rings(pool)], []


def _rings(pool: KeyPool) -> list[str]:
    """Return the rings that have keys, the first one for all where they share them."""
    return [ring for ring in (RINGS[:1] if pool.shared else RINGS) if pool[ring]]


async def _read_rings(pool: KeyPool) -> tuple[list[RingQuota], list[Problem]]:
    problems: list[Problem] = []
    dao, quota = KeyDAO(), []
    for ring in _rings(pool):
        try:
            left = await dao.calls_left(pool, ring)
        except KeysRejected:
            quota.append(RingQuota(ring, len(pool[ring]), {}, {}, pool.shared, "every key is rejected"))
        else:
            numbers = {str(bucket): number for bucket, number in left.number.items()}
            resets = {str(bucket): at for bucket, at in left.until.items()}
            quota.append(RingQuota(ring, len(pool[ring]), numbers, resets, pool.shared))
    for key, suspension in (await dao.rejected(pool)).items() if pool.all_keys() else ():
        problems.append(
            Problem(
                "key", f"YouTube refuses the key {key}: {suspension.reason.rstrip('.')}",
                f"Repair or replace it, then `maia keys resume {key}`",
            )
        )  # fmt: skip
    return quota, problems


def _freshness_problems(overview: Overview, max_age: timedelta | None) -> list[Problem]:
    if not overview.any_video:
        if not overview.queries:
            advice = 'Add a query with `maia queue add "your query"`, then run `maia hunter`'
        else:
            advice = "Run `maia hunter`, which discovers videos"
        return [Problem("no-data", "There is no video yet", advice)]
    problems = []
    for zone in overview.zones:
        if zone.is_stale and zone.share_kept is not None:
            late = duration_text(zone.lateness(overview.at))
            problems.append(
                Problem(
                    "stale-zone",
                    f"Zone {zone.zone} is stale: {_share(zone)} of {_number(zone.tracked)} videos were read within "
                    f"{duration_text(zone.promise)}; the latest is overdue for {late}",
                    "Run `maia tracker` more often, with more shards or keys",
                )
            )
    if (problem := _late_snapshot(overview, max_age)) is not None:
        problems.append(problem)
    return problems


def _late_snapshot(overview: Overview, max_age: timedelta | None) -> Problem | None:
    """Return the problem if the newest snapshot is too old. Without a limit, only if a reading is overdue too."""
    if overview.newest is None:
        if max_age is None and overview.next_reading is None:
            return None  # every video is retired, or waits for its metadata
        return Problem("stale-snapshots", "There is no snapshot yet", "Run `maia tracker`")
    age = overview.at - overview.newest
    if age < -clock.tolerance - timedelta(minutes=1):
        return Problem(
            "clock", f"The newest snapshot is of {local(overview.newest)}, which has not come",
            "Set the clock of the machine that wrote it; `atlas status` says more",
        )  # fmt: skip
    overdue = overview.next_reading is not None and overview.next_reading < overview.at
    if age <= (max_age or overview.promise) or (max_age is None and not overdue):
        return None
    return Problem(
        "stale-snapshots",
        f"The newest snapshot is {duration_text(age)} old, more than {duration_text(max_age or overview.promise)}",
        "See that the Tracker runs: `maia runs`",
    )


def _run_problems(last: Mapping[str, Sequence[ProcessRow]]) -> list[Problem]:
    problems = []
    for agent, rows in last.items():
        latest = {(row.wave, row.shard): row for row in rows}.values()  # of a job that was run again, the last
        failed = [row for row in latest if row.outcome in FAILED_OUTCOMES]
        if failed:
            row = failed[-1]
            of = f"{len(failed)} of {len(latest)} shards" if len(latest) > 1 else "The last run"
            known = entry(row.exit_code or 1)
            problems.append(
                Problem(
                    "failed-run",
                    f"{of} of the {agent} ended with {row.outcome}: {_shortened(row.error)}",
                    f"What to do: {known.action}" if known else "See `maia runs last`",
                )
            )
    return problems


def _shortened(error: str | None) -> str:
    text = (error or "no cause is known").rstrip(".")
    return text if len(text) <= _LONGEST_CAUSE else text[: _LONGEST_CAUSE - 1] + "…"


def _other_problems(overview: Overview, backlog: int) -> list[Problem]:
    problems = []
    if overview.any_video and not overview.queries:
        problems.append(
            Problem(
                "empty-queue", "The search queue is empty", 'Fill it with `maia queue add "your query"`', failing=False
            )
        )
    elif overview.queries and overview.queries == overview.paused:
        problems.append(
            Problem(
                "empty-queue", "Every query is paused", '`maia queue add "query"` resumes one', failing=False
            )
        )  # fmt: skip
    if overview.frozen_since is not None:
        problems.append(
            Problem(
                "frozen-counts", f"YouTube's counts stand still since {local(overview.frozen_since)}",
                "Wait: growth seems to be zero until they move again", failing=False,
            )
        )  # fmt: skip
    if overview.search_gaps:
        problems.append(
            Problem(
                "search-gaps", f"{_events(overview.search_gaps)} in 24 h: parts of search windows were not read",
                "`atlas events --type search_gap` shows them; more keys for hunting, or fewer queries, avoid them",
                failing=False,
            )
        )  # fmt: skip
    if overview.archive_failures:
        problems.append(
            Problem(
                "archive", f"The archive failed {overview.archive_failures:,} times in the last 24 h",
                "`atlas events --type archive_failed` says why; a later run retries", failing=False,
            )
        )  # fmt: skip
    if backlog > _BACKLOG:
        problems.append(
            Problem(
                "archive", f"More than {_BACKLOG:,} videos wait for their metadata or for the archive",
                "Run `maia hunter` more often; each cycle works on them first", failing=False,
            )
        )  # fmt: skip
    return problems


def _events(number: int) -> str:
    return "1 search gap" if number == 1 else f"{number:,} search gaps"


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
            _number(zone.tracked),
            _share(zone),
            duration_text(zone.promise),
            _number(zone.due),
            f"+{duration_text(late)}" if late else "",
            Text("STALE", "bold red") if zone.is_stale else Text("ok" if zone.tracked.number else "", "green"),
        )
    return table


def _share(zone: ZoneState) -> str:
    share = zone.share_kept
    if share is None:
        return ""
    # rounded down: 100 % is said only of all
    text = f"{int(share * 1_000) / 10:.1f} %" if share < 1 else "100 %"
    return text if zone.late.exact else f"< {text}"


def _number(tally: Any) -> str:
    if tally.exact:
        return f"{tally.number:,}"
    return f"~{compact(tally.estimate)}" if tally.estimate else f">{compact(tally.number)}"


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
    parts = [_count(total, "run"), _count(outcomes.get("churn", 0), "churn"), _count(failures, "failure")]
    parts += [f"{outcomes[word]:,} {word}" for word in ("killed", "running") if outcomes.get(word)]
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _quota(quota: Sequence[RingQuota]) -> Text:
    if not quota:
        return Text("unknown: no key in YOUTUBE_API_KEY_POOL_JSON here")
    lines = []
    for ring in quota:
        left = ", ".join(f"{bucket} {number:,}" for bucket, number in ring.left.items())
        lines.append(f"{'all rings' if ring.shared else ring.ring} ({_count(ring.keys, 'key')}): {ring.error or left}")
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
