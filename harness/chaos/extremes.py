"""What no fault of the run causes: a wrong clock, a server that stays silent, hostile files in the archive.

Each is put to processes of their own when the run is over and nothing else is at work.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg

from atlas.schedule_clock import Clock
from atlas.vault.layout import part_path
from harness.chaos.fleet import KilledFleet, Place
from harness.chaos.record import Checked
from harness.driver.processes import Child
from harness.driver.server import Server

WRONG_CLOCK = "a wrong clock does no harm"
SILENT_SERVER = "a silent server ends every process in time"
HOSTILE_ARCHIVE = "hostile files in the archive are named and cost no memory"
EXTREMES = (WRONG_CLOCK, SILENT_SERVER, HOSTILE_ARCHIVE)

_CONFIG, _UNAVAILABLE = 78, 69
_PATIENCE = 90.0  # seconds: only a defect lasts so long
_SHIFTS: Mapping[str, int] = {"+40d": _CONFIG, "-3h": _CONFIG, "+5m": 0}
"""How much a machine's clock is off → the code that a process ends with."""
_AHEAD = timedelta(days=300)  # of a schedule clock
_NEVER_DUE = timedelta(days=100)  # more than an hour of this machine's, and an interval, come to on the schedule clock
_MINUTES = "0.02"
_DEADLINE = 3.0  # seconds that a silent server is waited for here
_SHUTDOWN = 5.0
_BUSY = 5.0  # seconds more on a busy machine
_MEMORY = 1 << 30  # bytes of address space for a command on the archive
_DAY = date(2026, 11, 20)
_MIB = bytes(2**20)
_REASONS = ("unpack to more than", "its end is missing")


@dataclass
class Extremes:
    """Put each to one process of each agent, with the places and settings of the fleet."""

    fleet: KilledFleet
    server: Server
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def checks(self) -> list[Checked]:
        return [await self._wrong_clock(), await self._silent_server(), await self._hostile_archive()]

    async def _wrong_clock(self) -> Checked:
        looked, violations = 0, []
        if (faketime := shutil.which("faketime")) is not None:
            for (shift, code), place in itertools.product(_SHIFTS.items(), self._places()):
                looked += 1
                before = await self._changes()
                ended = await self._ended(self._start(place, self._agent(place), before=(faketime, "-f", shift)))
                if ended != code:
                    violations.append(f"{place.agent} with a clock {shift} off ended with {ended}, not with {code}")
                if code and (written := await self._changes() - before):
                    violations.append(f"{place.agent} with a clock {shift} off changed {written} rows")
        return Checked(WRONG_CLOCK, looked + 1, [*violations, *await self._schedule_clock_ahead()])

    async def _schedule_clock_ahead(self) -> list[str]:
        """Run a Tracker whose schedule clock is days ahead; the next one of its place has to correct its due times."""
        clock = Clock.parse(self.fleet.environment["ATLAS_CLOCK"])
        ahead = Clock(clock.speed, clock.real_start, clock.at(clock.real_start) + _AHEAD)
        (place,) = (each for each in self._places() if each.agent == "tracker")
        one_cycle = [*self._agent(place), "--max-minutes", "0.0001"]
        await self._ended(self._start(place, one_cycle, ATLAS_CLOCK=str(ahead)))
        await self._ended(self._start(place, self._agent(place)))
        late = await self._fetchval("SELECT count(*) FROM videos WHERE due_at > $1", clock.now() + _NEVER_DUE)
        return [f"{late} videos wait for months after a Tracker whose schedule clock was ahead"] if late else []

    async def _changes(self) -> int:
        return int(await self._fetchval("SELECT count(*) FROM watch.changes"))

    async def _fetchval(self, statement: str, *arguments: object) -> int:
        connection = await asyncpg.connect(self.server.dsn())
        try:
            return int(await connection.fetchval(statement, *arguments))
        finally:
            await connection.close()

    async def _silent_server(self) -> Checked:
        violations: list[str] = []
        for place in self._places():
            place.database.met.clear()
            child = self._start(place, ["--deadline", f"{_DEADLINE:g}", *self._agent(place)])
            await asyncio.wait_for(place.database.met.wait(), _PATIENCE)
            with self.server.frozen():
                began = time.monotonic()
                code = await child.wait(_DEADLINE + _SHUTDOWN + _BUSY)
                seconds = time.monotonic() - began
                if code is None:
                    violations.append(f"{place.agent} did not end within {seconds:.1f} s")
                    child.process.kill()
                    await child.wait(_PATIENCE)
                elif code not in (0, _UNAVAILABLE):  # 0: it had just come to its end
                    violations.append(f"{place.agent} ended with {code}")
        return Checked(SILENT_SERVER, len(self._places()), violations)

    async def _hostile_archive(self) -> Checked:
        violations: list[str] = []
        commands = (["vault", "verify"], ["rebuild", "--missing"], ["forget", "--video", "dQw4w9WgXcQ", "--yes"])
        with tempfile.TemporaryDirectory() as folder:
            vault = Path(folder) / "vault"
            await asyncio.to_thread(_plant, vault)
            for command in commands:
                (place, *_) = self._places()
                log = Path(folder) / "command.log"
                log.unlink(missing_ok=True)
                words = ["--memory", str(_MEMORY), "atlas", *command]
                code = await self._ended(self._start(place, words, log=log, VAULT_PATH=str(vault)))
                output = log.read_text(encoding="utf-8", errors="replace")
                unnamed = [reason for reason in _REASONS if reason not in output.replace("\n", " ")]
                if code != 1 or "Traceback" in output or unnamed:
                    violations.append(f"atlas {' '.join(command)} ended with {code}: {output[-300:]!r}")
        return Checked(HOSTILE_ARCHIVE, len(commands), violations)

    def _places(self) -> Sequence[Place]:
        """Return one of each agent."""
        return list({place.agent: place for place in reversed(self.fleet.places)}.values())

    def _agent(self, place: Place) -> list[str]:
        number = next(self._numbers)
        result = self.fleet.folder / "results" / f"extreme-{number}.json"
        shard = f"{place.index}/{place.total}"
        return [place.agent, "--shard", shard, "--max-minutes", _MINUTES, "--result-file", str(result)]

    def _start(
        self,
        place: Place,
        words: Sequence[str],
        *,
        before: Sequence[str] = (),
        log: Path | None = None,
        **settings: str,
    ) -> Child:
        log = log or self.fleet.folder / "logs" / "extremes.log"
        command = [*before, *self.fleet.shard(*words)]
        return self.fleet.children.start("extreme", command, log, self.fleet.settings_of(place) | settings)

    async def _ended(self, child: Child) -> int | None:
        code = await child.wait(_PATIENCE)
        if code is None:
            child.process.kill()
        return code


def _plant(vault: Path) -> None:
    """Write a part that unpacks to 3 GiB, one that is cut short, and a link that leads to itself."""
    import zstandard  # noqa: PLC0415

    packer = zstandard.ZstdCompressor().compressobj()
    large = b"".join([*(packer.compress(_MIB) for _ in range(3072)), packer.flush()])
    now = datetime.combine(_DAY, datetime.min.time(), UTC)
    short = zstandard.compress(b"{}\n" * 100)[:-5]
    for name, body in (("ff", large), ("fe", short)):
        path = vault / part_path(_DAY, now, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    loop = vault / "metadata" / "loop"
    loop.parent.mkdir(exist_ok=True)
    loop.symlink_to("loop")
