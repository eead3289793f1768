"""What the shards of a workflow run achieved and why not more, in words, from their rows.

Standard library only, since the action reads the same rows. It takes them as they come: what is not as it should be is
left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from maia.runtime.exitcodes import Outcome

__all__ = ["achieved", "outcome_of_run", "why_not_more"]

_MOST_NAMES: Final = 8
_MOST_CAUSES: Final = 3
_RED: Final = (Outcome.FAILURE, Outcome.UNAVAILABLE, Outcome.CONFIG, Outcome.CANCELLED)

Row = Mapping[str, Any]
"""`wave`, `shard`, `outcome` (None: it wrote no end), `stats` and, where there is one, `error`.

The rows of one shard come in the order of their beginnings."""

Gate = Mapping[str, Any]
"""The plan of a further wave: `wave`, `shards`, `outcome`, `reason`; empty where there was none."""

_NO_GATE: Final[Gate] = {}


def achieved(agent: str, totals: Mapping[str, Any]) -> str:
    """One line: new videos, snapshots and calls of all shards."""
    found = totals.get("calls")
    calls = (
        {name: number for name, number in found.items() if type(number) is int} if isinstance(found, Mapping) else {}
    )
    each = ", ".join(f"{name} {number:,}" for name, number in calls.items() if number)
    if agent == "tracker":
        parts = [_count(_number(totals, "updated"), "snapshot")]
    else:
        # each new video that was enriched has its first snapshot
        parts = [
            _count(_number(totals, "videos_new"), "new video"),
            _count(_number(totals, "videos_enriched"), "snapshot"),
        ]
    parts.append(_count(sum(calls.values()), "call") + (f" ({each})" if each else ""))
    return ", ".join(parts)


def outcome_of_run(rows: Sequence[Row], gate: Gate = _NO_GATE) -> Outcome | None:
    """The outcome over all shards; None where none has begun or one is of no known outcome."""
    rows = _latest(rows)
    ended = [_outcome(row) for row in rows]
    if not ended or None in ended:
        return None
    last = {_outcome(row) for row in _last_wave(rows)}
    for outcome in (*_RED, Outcome.QUOTA_EXHAUSTED):
        if outcome in ended:
            return outcome
    if Outcome.CHURN in last:
        spent = _stopped(_wave(_last_wave(rows)[0]), gate) and gate.get("outcome") == Outcome.QUOTA_EXHAUSTED
        return Outcome.QUOTA_EXHAUSTED if spent else Outcome.CHURN
    return Outcome.IDLE if set(ended) == {Outcome.IDLE} else Outcome.OK


def why_not_more(rows: Sequence[Row], gate: Gate = _NO_GATE) -> list[str]:
    """Why the shards did no more, a line for each reason; nothing where all did what they were started for."""
    rows = _latest(rows)
    lines: list[str] = []
    by: dict[Outcome | None, list[Row]] = {}
    for row in rows:
        by.setdefault(_outcome(row), []).append(row)
    total = _count(len(rows), "shard")
    if spent := by.get(Outcome.QUOTA_EXHAUSTED):
        lines.append(f"{len(spent):,} of {total} stopped because the quota is spent {_names(spent)}{_because(spent)}")
    lines += _churned(rows, gate)
    if idle := by.get(Outcome.IDLE):
        lines.append(f"{len(idle):,} of {total} found nothing due {_names(idle)}{_because(idle)}")
    for reason, ok in _by_text(by.get(Outcome.OK, ()), _reason):
        if reason:
            lines.append(f"{len(ok):,} of {total} {_names(ok)}: {reason}")
    red = [row for outcome in _RED for row in by.get(outcome, ())]
    causes = _by_text(red, lambda row: f"{row['outcome']}: {row.get('error') or 'no cause is known'}")
    for cause, failed in causes[:_MOST_CAUSES]:
        lines.append(f"{len(failed):,} of {total} ended with {cause} {_names(failed)}")
    if rest := sum(len(failed) for _, failed in causes[_MOST_CAUSES:]):
        lines.append(f"{rest:,} more failed for other causes")
    if lost := by.get(None):
        lines.append(f"{len(lost):,} of {total} wrote no end {_names(lost)}: killed, or still at work")
    return lines


def _latest(rows: Sequence[Row]) -> list[Row]:
    """The last row of each shard of a wave: a job that was run again has one more."""
    return list({(_wave(row), str(row.get("shard") or number)): row for number, row in enumerate(rows)}.values())


def _stopped(wave: int, gate: Gate) -> bool:
    """Whether the plan of the wave after this one started no shard."""
    return gate.get("wave") == wave + 1 and gate.get("shards") == 0


def _churned(rows: Sequence[Row], gate: Gate) -> list[str]:
    lines = []
    last = _wave(_last_wave(rows)[0]) if rows else 0
    for wave in sorted({_wave(row) for row in rows}):
        of_wave = [row for row in rows if _wave(row) == wave]
        churned = [row for row in of_wave if _outcome(row) is Outcome.CHURN]
        if churned:
            then = f"wave {wave + 1} went on" if wave < last else _left(wave, gate)
            what = f"{len(churned):,} of {_count(len(of_wave), 'shard')} of wave {wave} met YouTube's rate limit"
            lines.append(f"{what} {_names(churned)}; {then}")
    return lines


def _left(wave: int, gate: Gate) -> str:
    reason = gate.get("reason")
    if not _stopped(wave, gate) or not isinstance(reason, str):
        return "their work is left to the next run"
    # the reason begins with how many churned, which the line says already
    return f"no further shard was started: {reason.partition(' met a rate limit; ')[2] or reason}"


def _last_wave(rows: Sequence[Row]) -> list[Row]:
    last = max((_wave(row) for row in rows), default=0)
    return [row for row in rows if _wave(row) == last]


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


def _because(rows: Sequence[Row]) -> str:
    """The last reason: of several times until the quota resets, it is the nearest to now."""
    reason = next((text for row in reversed(rows) if (text := _reason(row))), "")
    return f": {reason}" if reason else ""


def _by_text(rows: Iterable[Row], text: Callable[[Row], str]) -> list[tuple[str, list[Row]]]:
    """The rows by what `text` says of them, the most frequent first."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(text(row), []).append(row)
    order = Counter({said: len(those) for said, those in found.items()})
    return [(said, found[said]) for said, _ in order.most_common()]


def _names(rows: Sequence[Row]) -> str:
    """Which shards these are, such as `(0/4, 1/4; wave 2: 0/2)`."""
    parts: dict[int, list[str]] = {}
    for row in rows[:_MOST_NAMES]:
        parts.setdefault(_wave(row), []).append(str(row.get("shard") or "?"))
    named = [(f"wave {wave}: " if wave > 1 else "") + ", ".join(names) for wave, names in parts.items()]
    more = [f"and {len(rows) - _MOST_NAMES:,} more"] if len(rows) > _MOST_NAMES else []
    return f"({'; '.join([*named, *more])})"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
