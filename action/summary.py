"""Write the step's summary: outcome, counts, time, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from action.container import Times
from action.result import figures
from action.settings import cleaned
from action.step import Judgement
from action.text import fenced, table
from maia.runtime.exitcodes import Outcome

WORDS = {
    Outcome.OK: "The cycles ran.",
    Outcome.IDLE: "Nothing was due.",
    Outcome.QUOTA_EXHAUSTED: "The quota of the ring is spent; it resets at midnight Pacific.",
}
"""Outcome of exit code 0 → its meaning; the table of verdicts explains the others."""


def heading(what: str, word: str) -> str:
    """Return the first line; neither part is foreign text."""
    return f"### Maia {what}: {word}\n\n"


def failed(what: str, title: str, message: str) -> str:
    """Return the summary of a step without a container to judge; `title` is no foreign text."""
    return heading(what, "failed") + f"**{title}**\n\n" + fenced(message)


def judged(judgement: Judgement) -> str:
    """Return the outcome in words, and after a failure the detail and what to do."""
    verdict = judgement.verdict
    words = WORDS.get(judgement.outcome)
    if verdict.level is None and words:
        reason = fenced(judgement.reason) + "\n" if judgement.reason else ""
        return f"{words}\n\n{reason}"
    text = f"Exit code {verdict.code}: {verdict.when}.\n\n"
    if judgement.detail:
        text += fenced(judgement.detail) + "\n"
    return text + f"**What to do:** {verdict.advice}.\n\n"


def shard(what: str, judgement: Judgement, seconds: float, times: Times, note: str, *, dry_run: bool = False) -> str:
    """Return the summary of one shard; `note` is Markdown for its end."""
    return (
        heading(what, f"{judgement.outcome}, a dry run" if dry_run else judgement.outcome)
        + judged(judgement)
        + figure_table(judgement.stats, dry_run=dry_run)
        + f"Time: {split(seconds, times)}.\n\n"
        + note
    )


_PLANNED = {
    "deleted": "to delete", "expired": "to delete", "dropped": "to drop", "made": "to make", "blanked": "to clear"
}  # fmt: skip


def figure_table(stats: object, *, dry_run: bool = False) -> str:
    """Return the numbers of `stats`, or "". `dry_run`: name them as what the Janitor would do."""
    rows = list(_flat(figures(stats)))
    if dry_run:
        rows = [(" ".join(_PLANNED.get(word, word) for word in name.split(" ")), number) for name, number in rows]
    return table(("figure", "count"), rows) + "\n" if rows else ""


def _flat(found: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield names and formatted numbers; counts by bucket come last."""
    for key, value in found.items():
        if not isinstance(value, Mapping):
            yield key.replace("_", " "), f"{value:,}"
    for key, value in found.items():
        if isinstance(value, Mapping):
            for name, number in value.items():
                yield f"{key.replace('_', ' ')}: {name}", f"{number:,}"


def split(seconds: float, times: Times) -> str:
    """Return the time by part, such as `image 1.2 s, container 0.3 s, Python 0.8 s, work 10.2 s, end 0.4 s`."""
    names = ("image", "container", "Python", "work", "end")
    parts = dict(zip(names, (seconds, times.container, times.python, times.work, times.end), strict=True))
    return ", ".join(f"{name} {part:.1f} s" for name, part in parts.items() if part is not None)


def archive(settings: Mapping[str, str]) -> str:
    """Return a note if nothing is archived, or ""."""
    if cleaned(settings.get("VAULT_PROVIDER", "off")) != "off":
        return ""
    return (
        "The vault is off: YouTube's answers are not archived. "
        "`VAULT_PROVIDER: huggingface` with `HF_DATASET_ID` and `HF_TOKEN` archives it.\n"
    )


def waves(rows: Sequence[object], totals: object) -> str:
    """Return the table of all shards and waves, from the rows of `maia verdict`."""
    found = [row for row in (_row(row) for row in rows) if row]
    if not found:
        return "The database has no shard of this run.\n"
    last = dict(_flat(figures(totals)))
    # omit columns that are 0 in every row
    all_ = (flat for flat in (*(flat for _, flat in found), last))
    names = list(dict.fromkeys(name for flat in all_ for name, value in flat.items() if value != "0"))[:_MOST_COLUMNS]
    header = ("wave", "shard", "outcome", "seconds", *names)
    cells = ((*head, *(flat.get(name, "") for name in names)) for head, flat in (*found, (("all", "", "", ""), last)))
    return table(header, cells, numbers=1 + len(names)) + "\n"


_MOST_COLUMNS = 16


def _row(row: object) -> tuple[tuple[str, ...], dict[str, str]] | None:
    """Return the cells of one shard: its head and its counts; None if it is not a row."""
    if not isinstance(row, Mapping):
        return None
    found = figures(row)
    given, shard = row.get("outcome"), row.get("shard")
    outcome = "killed" if given is None else str(Outcome(given)) if given in list(Outcome) else "?"
    parts = shard.split("/") if isinstance(shard, str) and len(shard) < 20 else []
    name = "/".join(parts) if len(parts) == 2 and all(p.isascii() and p.isdigit() for p in parts) else "?"
    seconds = found.get("seconds")
    shown = f"{seconds:.1f}" if isinstance(seconds, int | float) else ""
    head = (str(found.get("wave", "?")), name, outcome, shown)
    return head, dict(_flat(figures(row.get("stats"))))
