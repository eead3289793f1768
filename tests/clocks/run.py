"""Run the tests that have to do with dates under faked clocks, each of which crosses a border in mid-run.

libfaketime shifts the clock of the tests, of their child processes and of the PostgreSQL that they start, all by the
same offset; the monotonic clock, by which everything waits, stays as it is.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# All are in the past: a file that a test writes has the real time, and must not look old.
BORDERS = {
    "a Monday that begins a year": datetime(2024, 1, 1, tzinfo=UTC),
    "29 February": datetime(2024, 2, 29, tzinfo=UTC),
    "the end of a month": datetime(2024, 3, 1, tzinfo=UTC),
    "Pacific clocks go forward": datetime(2024, 3, 10, 10, tzinfo=UTC),
    "Pacific clocks go back": datetime(2024, 11, 3, 9, tzinfo=UTC),
    "Pacific midnight before 25 hours": datetime(2024, 11, 3, 7, tzinfo=UTC),
}
LEAD = 15
"""Seconds from the start of a run until its border: the first tests are under way then."""

# what has to do with the quota day, which is Pacific
QUOTA_TESTS = (
    "tests/integration/test_clocks.py",
    "tests/integration/test_retention_dao.py",
    "tests/integration/test_keyring.py",
    "tests/integration/test_report.py",
    "tests/integration/agents/test_plan.py",
    "tests/unit/sandbox/test_quota.py",
    "tests/unit/test_clock.py",
    "tests/unit/test_buckets.py",
    "tests/unit/test_times.py",
)
# at the borders of the days by which all else goes, which are UTC's
DATE_TESTS = (
    *QUOTA_TESTS,
    "tests/integration/snapshots/test_data_document.py",
    "tests/integration/snapshots/test_maintenance.py",
    "tests/integration/snapshots/test_partitions.py",
    "tests/integration/snapshots/test_status.py",
    "tests/integration/test_dao_ingest.py",
    "tests/integration/test_schema.py",
    "tests/integration/test_schema_name.py",
    "tests/unit/test_partitions.py",
    "tests/unit/test_vault_settings.py",
)

# an alarm interrupts its wait for a lock, and the handler is shown the real time (tests/support/database_fixtures.py)
NOT_THESE = ("tests/integration/test_schema.py::test_many_processes_at_once",)


def libraries() -> list[Path]:
    """Return where libfaketime is: in the folder of Debian and Ubuntu, or in that of others."""
    return [*Path("/usr").glob("lib/*/faketime/libfaketime.so.1"), *Path("/usr").glob("lib*/faketime/libfaketime.so.1")]


def environment(border: datetime) -> Mapping[str, str]:
    """Return the environment of processes whose clock is ``LEAD`` seconds before the border now."""
    offset = round(border.timestamp() - LEAD - time.time())
    return {
        **os.environ,
        "LD_PRELOAD": str(libraries()[0]),
        # an offset, not a start: each process would begin at a start anew
        "FAKETIME": f"{offset:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        # it would read the environment again and again, which Python changes in another thread
        "FAKETIME_CACHE_DURATION": "1000000",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")])),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--border", choices=BORDERS, action="append", help="one of them; all if none is named")
    parser.add_argument("options", nargs="*", help="more options of pytest, after --")
    given = parser.parse_args()
    if not libraries():
        sys.exit("tests/clocks: libfaketime is not installed (Debian, Ubuntu: apt install faketime)")
    left_out = [f"--deselect={name}" for name in NOT_THESE]
    failed = []
    for name in given.border or BORDERS:
        print(f"\n-- {name}: {BORDERS[name]:%Y-%m-%d %H:%M} UTC", flush=True)
        tests = QUOTA_TESTS if "Pacific" in name else DATE_TESTS
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, *left_out, *given.options]
        with subprocess.Popen(command, cwd=ROOT, env=environment(BORDERS[name])) as process:
            code = process.wait()
        for left in Path("/dev/shm").glob(f"*faketime_s*_{process.pid}"):  # of processes that were killed
            left.unlink(missing_ok=True)
        if code:
            failed.append(name)
    for name in failed:
        print(f"tests/clocks: failed with the clock at: {name}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
