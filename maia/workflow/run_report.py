"""The report of a workflow run, from the rows of its shards: what they achieved, and why not more.

Standard library only, since the action reads the same rows. Rows of any image may be malformed: what cannot be read is
left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from maia.runtime.exitcodes import Outcome
from maia.runtime.run_context import merge_stats

_MOST_NAMES: Final = 8
_MOST_CAUSES: Final = 3
_FAILED: Final = (Outcome.FAILURE, Outcome.UNAVAILABLE, Outcome.CONFIG, Outcome.CANCELLED)

Row = Mapping[str, Any]
"""`wave`, `shard`, `outcome` (None: killed), `stats` and, where there is one, `error`.

The rows of one shard are in the order of their starts."""

Gate = Mapping[str, Any]
"""The plan of a further wave: `wave`, `shards`, `outcome`, `reason`; empty where there was none."""

_NO_GATE: Final[Gate] = {}


def run_report(agent: str, rows: Sequence[Row], gate: Gate = _NO_GATE) -> dict[str, Any]:
    """Return the stats of the result file of `maia verdict`: a mapping per row, their totals, and the report in words.

    `rows`: as the table ``runs`` has them, by wave and shard.
    """
    totals: dict[str, Any] = {}
    for row in rows:
        merge_stats(totals, _numbers(row["stats"] or {}))
    report: dict[str, Any] = {"agent": agent, "rows": [_shown(row) for row in rows], "totals": totals}
    if gate:
        report["gate"] = dict(gate)
    if rows:
        report |= {"achieved": achieved(agent, totals), "why": why_not_more(report["rows"], gate)}
    return report


def achieved(agent: str, totals: Mapping[str, Any]) -> str:
    """Return one line: new videos, snapshots and calls of all shards."""
    calls = totals.get("calls")
    calls = {name: n for name, n in calls.items() if type(n) is int} if isinstance(calls, Mapping) else {}
    by_bucket = ", ".join(f"{name} {number:,}" for name, number in calls.items() if number)
    if agent == "tracker":
        parts = [_count(_number(totals, "updated"), "snapshot")]
    else:
        # each new video that was enriched has its first snapshot
        numbers = {"new video": _number(totals, "videos_new"), "snapshot": _number(totals, "videos_enriched")}
        parts = [_count(number, noun) for noun, number in numbers.items()]
    parts.append(_count(sum(calls.values()), "call") + (f" ({by_bucket})" if by_bucket else ""))
    return ", ".join(parts)


def outcome_of_run(rows: Sequence[Row], gate: Gate = _NO_GATE) -> Outcome | None:
    """Return the outcome over all shards; None where none has started or one has no known outcome."""
    rows = _latest(rows)
    ended = [_outcome(row) for row in rows]
    if not ended or None in ended:
        return None
    for outcome in (*_FAILED, Outcome.QUOTA_EXHAUSTED):
        if outcome in ended:
            return outcome
    last = max(map(_wave, rows))
    if any(_outcome(row) is Outcome.CHURN for row in rows if _wave(row) == last):
        spent = _started_nothing(last, gate) and gate.get("outcome") == Outcome.QUOTA_EXHAUSTED
        return Outcome.QUOTA_EXHAUSTED if spent else Outcome.CHURN
    return Outcome.IDLE if set(ended) == {Outcome.IDLE} else Outcome.OK


def why_not_more(rows: Sequence[Row], gate: Gate = _NO_GATE) -> list[str]:
    """Return a line for each reason why the shards did no more; empty where all did what they were started for."""
    rows = _latest(rows)
    lines: list[str] = []
    by: dict[Outcome | None, list[Row]] = {}
    for row in rows:
        by.setdefault(_outcome(row), []).append(row)
    total = _count(len(rows), "shard")
    if spent := by.get(Outcome.QUOTA_EXHAUSTED):
        lines.append(
            f"{len(spent):,} of {total} stopped because the quota is spent {_names(spent)}{_last_reason(spent)}"
        )
    lines += _churned(rows, gate)
    if idle := by.get(Outcome.IDLE):
        lines.append(f"{len(idle):,} of {total} found nothing due {_names(idle)}{_last_reason(idle)}")
    for reason, ok in _grouped(by.get(Outcome.OK, ()), _reason):
        if reason:
            lines.append(f"{len(ok):,} of {total} {_names(ok)}: {reason}")
    failed = [row for outcome in _FAILED for row in by.get(outcome, ())]
    causes = _grouped(failed, lambda row: f"{row['outcome']}: {row.get('error') or 'no cause is known'}")
    for cause, those in causes[:_MOST_CAUSES]:
        lines.append(f"{len(those):,} of {total} ended with {cause} {_names(those)}")
    if rest := sum(len(those) for _, those in causes[_MOST_CAUSES:]):
        lines.append(f"{rest:,} more failed for other causes")
    if lost := by.get(None):
        lines.append(f"{len(lost):,} of {total} wrote no end {_names(lost)}: killed, or still at work")
    return lines


def runner_minutes(rows: Iterable[Row]) -> dict[str, int]:
    """Return what the jobs of a run are billed at least: ``minutes``, ``jobs`` and ``unended``.

    `rows`: of its plans and shards, with the times of ``runs``; each is one job. One more job, for the verdict, takes a
    minute. GitHub rounds each job up to a minute, and bills more than these rows know of: a job's start and its image.
    `unended` jobs wrote no end, and count a minute.
    """
    minutes, jobs, unended = 1, 1, 0
    for row in rows:
        begun, ended = row["started_at"], row["finished_at"]
        seconds = 0.0 if ended is None else (ended - begun).total_seconds()
        minutes += max(1, math.ceil(seconds / 60))
        jobs += 1
        unended += ended is None
    return {"minutes": minutes, "jobs": jobs, "unended": unended}


def calls_left(plan: Row, rows: Iterable[Row]) -> dict[str, int]:
    """Return the calls by bucket that a ring has left: what the plan counted, less the calls of the shards since then.

    `plan`: the last one of the run, `rows`: its shards, both with the times of ``runs``. Calls that other runs made
    meanwhile are not known here.
    """
    stats = plan["stats"] or {}
    counted = stats.get("calls_left")
    left = {name: n for name, n in counted.items() if type(n) is int} if isinstance(counted, Mapping) else {}
    for row in rows:
        calls = (row["stats"] or {}).get("calls")
        if isinstance(calls, Mapping) and row["started_at"] >= plan["started_at"]:
            left = {name: number - _number(calls, name) for name, number in left.items()}
    return {name: max(0, number) for name, number in left.items()}


def _latest(rows: Sequence[Row]) -> list[Row]:
    """Return the last row of each shard of a wave: a job that was run again has one more."""
    return list({(_wave(row), str(row.get("shard") or number)): row for number, row in enumerate(rows)}.values())


def _churned(rows: Sequence[Row], gate: Gate) -> list[str]:
    lines = []
    waves = sorted(set(map(_wave, rows)))
    for wave in waves:
        of_wave = [row for row in rows if _wave(row) == wave]
        if churned := [row for row in of_wave if _outcome(row) is Outcome.CHURN]:
            then = f"wave {wave + 1} went on" if wave < waves[-1] else _left(wave, gate)
            what = f"{len(churned):,} of {_count(len(of_wave), 'shard')} of wave {wave} met YouTube's rate limit"
            lines.append(f"{what} {_names(churned)}; {then}")
    return lines


def _left(wave: int, gate: Gate) -> str:
    reason = gate.get("reason")
    if not _started_nothing(wave, gate) or not isinstance(reason, str):
        return "their work is left to the next run"
    # the reason starts with how many churned, which the line says already
    return f"no further shard was started: {reason.partition(' met a rate limit; ')[2] or reason}"


def _started_nothing(wave: int, gate: Gate) -> bool:
    """Return whether the plan of the wave after this one started no shard."""
    return gate.get("wave") == wave + 1 and gate.get("shards") == 0


def _shown(row: Row) -> dict[str, Any]:
    seconds = None
    if row["finished_at"] is not None:
        seconds = round((row["finished_at"] - row["started_at"]).total_seconds(), 1)
    shown = {name: row[name] for name in ("wave", "shard", "outcome", "exit_code")}
    error = {"error": row["error"]} if row["error"] else {}
    return {**shown, "seconds": seconds, "stats": row["stats"] or {}, **error}


def _numbers(stats: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers alone, at any depth."""
    found: dict[str, Any] = {}
    for name, value in stats.items():
        if isinstance(value, Mapping):
            found[name] = _numbers(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = value
    return found


def _outcome(row: Row) -> Outcome | None:
    word = row.get("outcome")
    return Outcome(word) if isinstance(word, str) and word in set(Outcome) else None


def _wave(row: Row) -> int:
    return _number(row, "wave") or 1


def _number(found: Mapping[str, Any], name: str) -> int:
    value = found.get(name)
    return value if type(value) is int else 0


def _reason(row: Row) -> str:
    stats = row.get("stats")
    reason = stats.get("reason") if isinstance(stats, Mapping) else None
    return reason if isinstance(reason, str) else ""


def _last_reason(rows: Sequence[Row]) -> str:
    """Return the last reason: of several times until the quota resets, it is the nearest to now."""
    reason = next((text for row in reversed(rows) if (text := _reason(row))), "")
    return f": {reason}" if reason else ""


def _grouped(rows: Iterable[Row], text: Callable[[Row], str]) -> list[tuple[str, list[Row]]]:
    """Return the rows by their text, the most frequent first."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(text(row), []).append(row)
    return sorted(found.items(), key=lambda group: -len(group[1]))


def _names(rows: Sequence[Row]) -> str:
    """Return which shards these are, such as `(0/4, 1/4; wave 2: 0/2)`."""
    parts: dict[int, list[str]] = {}
    for row in rows[:_MOST_NAMES]:
        parts.setdefault(_wave(row), []).append(str(row.get("shard") or "?"))
    named = [(f"wave {wave}: " if wave > 1 else "") + ", ".join(names) for wave, names in parts.items()]
    more = [f"and {len(rows) - _MOST_NAMES:,} more"] if len(rows) > _MOST_NAMES else []
    return f"({'; '.join([*named, *more])})"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
