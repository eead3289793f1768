"""Row 4: claiming and finishing, against pgqueuer and procrastinate with their own workers.

All on one server, each in a database made for the run, filled before and drained by one process
(``harness.benchmarks.queues``). One call of the API answers for 50 videos, so batches of 50 are compared, and, beside
them, the batches that suit each best. All other settings are those with which each was fastest in this very run:
several are tried first. The peers' jobs do nothing, and leave only that they are done; Maia writes what it learned of
each video, and when it is due again.

PostgreSQL itself is measured, too: Maia's two statements by hand; the second alone, of what was claimed before; and
both on a table that holds nothing but what they write.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from atlas.database import database
from harness.benchmarks.comparing import alternate
from harness.benchmarks.lines import STATED, Goal, Line
from harness.benchmarks.queues import Drained
from harness.benchmarks.world import fresh_database

_GOAL = Goal.at_least(3)
_WORKERS, _LARGE = (1, 2, 4), (250, 1000)
_ITEMS, _ITEMS_OF_PROCRASTINATE = 20_000, 1_000
"""How many are drained in a run: one to three seconds' worth."""
_MODULES = ("pgqueuer", "procrastinate", "psycopg", "uvloop")


@dataclass(frozen=True)
class MeasuredQueue:
    """A queue that is measured.

    Attributes:
        queue: a module of ``harness.benchmarks.queues``, and which of its variants.
        tried: the settings of its worker that are tried.
        speeds: the results, by settings.
    """

    queue: str
    tried: Sequence[Mapping[str, int]]
    speeds: dict[str, float] = field(default_factory=dict)

    async def speed(self, given: Mapping[str, int], share: float = 1) -> float:
        """Return the items a second of one run, in a database of its own."""
        name = f"queue_{self.queue.replace('.', '_')}"
        dsn = urlsplit(await database.dsn())._replace(path=f"/{name}").geturl()
        items = int((_ITEMS_OF_PROCRASTINATE if self.queue == "procrastinate" else _ITEMS) * share)
        command = ("-m", "harness.benchmarks.queues", self.queue, dsn, str(items), json.dumps(given))
        await database.fetch(f"CREATE DATABASE {name}")
        try:
            child = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
            output, _ = await child.communicate()
            if child.returncode:
                raise RuntimeError(f"draining {self.queue} ended with {child.returncode}")
            return Drained(**json.loads(output)).speed
        finally:
            await database.fetch(f"DROP DATABASE {name} WITH (FORCE)")

    async def best(self) -> Mapping[str, int]:
        """Return the settings that are fastest here; a single one needs no try."""
        if len(self.tried) > 1:
            for given in self.tried:
                self.speeds[_words(given)] = await self.speed(given, 0.5)
        return max(self.tried, key=lambda given: self.speeds.get(_words(given), 0))


def _words(given: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in given.items())


def _batches(queue: str, batches: Sequence[int], **more: int) -> MeasuredQueue:
    return MeasuredQueue(
        queue, [{"workers": number, "batch_size": batch, **more} for batch in batches for number in _WORKERS]
    )


def _entries() -> dict[str, MeasuredQueue]:
    one_by_one = [{"concurrency": number, "delete_jobs": delete} for number in (1, 10, 50) for delete in (0, 1)]
    return {
        "maia": _batches("maia", [50]),
        "bare": _batches("maia.bare", [50]),
        "finish": _batches("maia.bare", [50], claimed=1),
        "schedule": _batches("maia.schedule", [50]),
        "pgqueuer": _batches("pgqueuer", [50]),
        "procrastinate": MeasuredQueue("procrastinate", one_by_one),
        "maia, first": _batches("maia", [50], rounds=0),
        "maia, large": _batches("maia", _LARGE),
        "pgqueuer, large": _batches("pgqueuer", _LARGE),
    }


def _need_peers() -> None:
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if missing:
        raise SystemExit(
            f"row 4 needs {', '.join(missing)}: `make bench` installs them, or leave it out (--rows 1,2,3,5)"
        )


async def measure(*, runs: int, quick: bool) -> list[Line]:
    """Measure row 4."""
    _need_peers()
    entries = _entries()
    async with fresh_database():
        chosen = {name: entry.tried[0] if quick else await entry.best() for name, entry in entries.items()}
        measures = {name: partial(entry.speed, chosen[name], 0.05 if quick else 1) for name, entry in entries.items()}
        found = await alternate(runs, measures, warm=False)
    words = {name: f"{name.partition(',')[0]} ({_words(given)})" for name, given in chosen.items()}
    words["bare"] = f"the same statements by hand ({_words(chosen['bare'])})"
    words["finish"] = f"finishing alone, by hand ({_words(chosen['finish'])})"
    words["schedule"] = f"a schedule table of its own, by hand ({_words(chosen['schedule'])})"
    better = max("pgqueuer", "procrastinate", key=lambda name: found[name].median)

    def line(mine: str, other: str, what: str) -> Line:
        figure, limit = found[mine], found[other]
        goal = _GOAL if (mine, other) == ("maia", better) else STATED
        return Line(
            4, f"{what}, one process ({_words(chosen[mine])})", figure.median, "items/s", words[other], limit.median,
            judged=figure.over(limit), goal=goal, noise=figure.noise,
            details={
                "runs": figure.values, "runs beside it": limit.values, "tried": entries[mine].speeds,
                "tried beside it": entries[other].speeds,
            },
        )  # fmt: skip

    of_50 = "claim and finish of 50"
    return [
        *(line("maia", peer, of_50) for peer in ("pgqueuer", "procrastinate")),
        line("maia", "bare", of_50),
        line("maia", "finish", of_50),
        line("maia", "schedule", of_50),
        line("maia, first", "pgqueuer", "the same, first reading of videos that were found together"),
        line("maia, large", "pgqueuer, large", "in larger batches"),
    ]
