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

# All are in the past: a file that a test writes has the real time, and must not look old. The first two end a month,
# too. The hour that Pacific clocks repeat in the day of 25 hours is in tests/unit/test_buckets.py.
BORDERS = {
    "a Monday that begins a year": datetime(2024, 1, 1, tzinfo=UTC),
    "29 February": datetime(2024, 2, 29, tzinfo=UTC),
    "Pacific clocks go forward": datetime(2024, 3, 10, 10, tzinfo=UTC),
    "Pacific midnight before 25 hours": datetime(2024, 11, 3, 7, tzinfo=UTC),
}
LEAD = 15
"""Seconds from the start of a run until its border: the first tests are under way then."""

BOTH = ("tests/integration/test_clocks.py", "tests/unit/test_clock.py", "tests/unit/test_times.py")


def of(file: str, *names: str) -> list[str]:
    return [f"tests/{file}::test_{name}" for name in names]


# the tests that read the quota day, which is Pacific
QUOTA_TESTS = (
    *BOTH,
    *of(
        "integration/test_keyring.py",
        "a_reservation_holds_its_key_hidden_and_its_pacific_day",
        "a_call_is_reserved_before_it_is_made_and_settled_once_after",
        "of_calls_that_start_together_each_counts_for_its_own_day",
        "a_spent_bucket_rotates_to_the_next_key_for_every_shard_and_its_others_go_on",
        "every_key_spent_is_an_exhausted_ring_until_midnight_pacific",
        "right_after_midnight_a_refusal_closes_the_bucket_for_minutes_only",
        "a_refusal_of_the_day_that_has_ended_closes_nothing_of_the_new_one",
        "a_rejected_key_is_skipped_for_every_bucket_by_every_shard_for_24_hours",
    ),
    *of("integration/test_retention_dao.py", "limits_follow_the_settings_each_by_its_clock"),
    *of("integration/test_report.py", "calls_are_added_up_by_bucket_for_a_day_or_for_all"),
    *of(
        "integration/agents/test_plan.py",
        "what_is_left_is_the_quota_of_the_day_without_what_was_reserved",
        "a_suspended_bucket_has_nothing_left_and_the_lower_limit_counts_on_the_next_day",
        "a_later_wave_waits_for_the_limit_to_pass_and_counts_after_that",
    ),
    "tests/unit/test_buckets.py",
)
# those that read the days by which all else goes, which are UTC's
DATE_TESTS = (
    *BOTH,
    "tests/integration/snapshots/test_data_document.py",
    "tests/integration/snapshots/test_maintenance.py",
    "tests/integration/snapshots/test_partitions.py",
    "tests/integration/snapshots/test_status.py",
    *of(
        "integration/test_dao_ingest.py",
        "a_video_resource_is_stored_with_its_channel_and_first_snapshot",
        "a_video_of_a_search_is_finished_later_and_its_first_snapshot_makes_its_due_time",
        "a_publish_time_that_moved_makes_a_stored_video_young_again",
    ),
    *of(
        "integration/test_retention_dao.py",
        "limits_follow_the_settings_each_by_its_clock",
        "no_archived_day_is_kept_of_which_a_record_may_be_too_old",
        "no_snapshot_outlives_its_video",
    ),
    *of(
        "integration/test_report.py",
        "the_estimate_of_snapshots_adds_up_the_parts_and_counts_none_twice",
    ),
    *of(
        "integration/agents/test_plan.py", "videos_are_due_as_the_claim_sees_it", "queries_are_due_as_the_claim_sees_it"
    ),
    *of(
        "integration/test_schema.py",
        "an_older_schema_is_brought_up_to_date_where_that_only_adds",
        "snapshots_of_the_first_release_get_partitions_and_keep_their_readers",
        "the_way_back_to_the_first_release_keeps_every_snapshot",
    ),
    "tests/unit/test_partitions.py",
    "tests/unit/test_vault_settings.py",
)


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
    failed = []
    for name in given.border or BORDERS:
        print(f"\n-- {name}: {BORDERS[name]:%Y-%m-%d %H:%M} UTC", flush=True)
        tests = QUOTA_TESTS if "Pacific" in name else DATE_TESTS
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, *given.options]
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
