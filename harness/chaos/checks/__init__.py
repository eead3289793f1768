"""What must hold after a run, whatever happened in it: each check is a function of the record alone.

A check's docstring says what it proves, and what it takes for lawful.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.chaos.checks.archive import archived_or_listed
from harness.chaos.checks.counts import calls_counted
from harness.chaos.checks.endings import code_fits, no_traceback, result_fits
from harness.chaos.checks.leases import claims_given_back, lease_holds, written_by_holder
from harness.chaos.checks.searches import page_stored_once, search_stored, token_goes_forward
from harness.chaos.checks.snapshots import first_snapshot, snapshot_once, snapshot_times
from harness.chaos.record import Checked, Record

Check = Callable[[Record], Checked]

CHECKS: tuple[Check, ...] = (
    search_stored,
    page_stored_once,
    token_goes_forward,
    first_snapshot,
    snapshot_once,
    snapshot_times,
    lease_holds,
    written_by_holder,
    claims_given_back,
    archived_or_listed,
    calls_counted,
    code_fits,
    result_fits,
    no_traceback,
)
