"""Deliberate faults of Maia, each with one protection taken out, to see that a check finds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.chaos import patches
from harness.chaos.extremes import HOSTILE_ARCHIVE, SILENT_SERVER, WRONG_CLOCK

__all__ = ["MUTANTS", "Mutant"]


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        what: which protection is taken out.
        found_by: the name of the check that has to find it.
        put_in: patches Maia in this process.
    """

    what: str
    found_by: str
    put_in: Callable[[], None]


_NO_LEASE = (" AND (leased_until IS NULL OR leased_until < now())", "")

MUTANTS: Mapping[str, Mutant] = {
    "result-dropped": Mutant(
        "a page is stored without its last video",
        "every answered search is stored or released",
        patches.last_result_dropped,
    ),
    "search-dropped": Mutant(
        "of the searches of a batch, one is not stored",
        "every answered search is stored or released",
        patches.last_search_dropped,
    ),
    "window-again": Mutant(
        "a round begins a day before it, wherever the last one ended",
        "no search page is stored twice",
        patches.window_from_the_oldest,
    ),
    "token-kept": Mutant(
        "the page token of a topic stays where it was",
        "every page token goes forward",
        patches.in_statement(
            "hunter/advance_topic",
            (
                "next_page_token = :next_page_token",
                "next_page_token = CASE WHEN :next_page_token::text IS NOT NULL "
                "THEN coalesce(next_page_token, :next_page_token) END",
            ),
        ),
    ),
    "no-first-snapshot": Mutant(
        "a video is enriched without a snapshot",
        "every enriched video has its first snapshot",
        patches.in_statement(
            "hunter/ingest_videos", ("FROM input JOIN fresh USING (id)", "FROM input JOIN fresh USING (id) WHERE false")
        ),
    ),
    "written-again": Mutant(
        "a write that is done once more does not ask for its lease",
        "no two snapshots come from one call",
        patches.written_again,
    ),
    "times-of-before": Mutant(
        "snapshots bear a time before the answer", "every snapshot bears the time of an answer", patches.times_of_before
    ),
    "lease-ignored": Mutant(
        "videos are claimed that another shard holds",
        "no claim outlives its lease",
        patches.in_statement("tracker/claim_videos", _NO_LEASE),
    ),
    "lease-too-long": Mutant(
        "a claim of topics lasts longer than the lease",
        "no claim outlives its lease",
        patches.in_statement("hunter/claim_topics", ("secs => $2", "secs => $2 + 1")),
    ),
    "late-tracker": Mutant(
        "readings are written without a check of the lease",
        "nothing is written on another's lease",
        patches.in_statement("tracker/update_videos", (" AND videos.lease_token = input.token", "")),
    ),
    "late-hunter": Mutant(
        "a page token is written without a check of the lease, by a slow Hunter",
        "nothing is written on another's lease",
        patches.late_hunter,
    ),
    "claims-kept": Mutant("claims are not released at the end", "claims are released", patches.claims_kept),
    "records-missing": Mutant(
        "the archive reports records as stored that it has not written",
        "every video is archived or to be archived",
        patches.records_not_written,
    ),
    "failed-uncounted": Mutant(
        "calls that failed are released, though they were made", "calls are counted", patches.failed_calls_released
    ),
    "sent-again": Mutant(
        "a call on a broken connection is sent again without being counted",
        "calls are counted",
        patches.sent_again_unseen,
    ),
    "counted-twice": Mutant(
        "more calls are reserved than are made",
        "calls are counted",
        patches.in_statement("quota/reserve_calls", (":counter_shard, :calls", ":counter_shard, :calls + 1")),
    ),
    "exit-429": Mutant(
        "a rate limit ends a process with 429, as far as that goes",
        "every process ends with a code of the contract",
        patches.exit_status_429,
    ),
    "signals-unheeded": Mutant(
        "SIGTERM ends a process on the spot",
        "every process ends with a code of the contract",
        patches.signals_unheeded,
    ),
    "always-ok": Mutant(
        "every result file says that all is well", "every result file is whole and fits", patches.result_always_ok
    ),
    "result-torn": Mutant("result files are cut short", "every result file is whole and fits", patches.result_torn),
    "clock-believed": Mutant("a machine's clock is believed, however wrong it is", WRONG_CLOCK, patches.clock_believed),
    "deadline-endless": Mutant("a silent server is waited for without end", SILENT_SERVER, patches.deadline_endless),
    "part-swallowed": Mutant("parts of the archive are unpacked whole", HOSTILE_ARCHIVE, patches.part_swallowed),
    "errors-raw": Mutant(
        "errors of the database's driver reach the agents", "no process wrote a traceback", patches.errors_of_the_driver
    ),
}
