"""The Janitor: keeps the data as long as it may be kept, and no longer. It asks YouTube nothing and needs no keys.

What is due to be read again is the Tracker's; what was not read again in time goes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from atlas import vault
from atlas.adapters.expiry import ALWAYS_ALLOWED, ExpiryDAO, Outlook
from atlas.adapters.retention import Limits
from atlas.clock import clock
from atlas.config import settings
from atlas.errors import ArchiveUnavailable, StatementFailed
from atlas.times import iso
from atlas.vault.expiry import ArchiveOutlook
from maia import orchestration
from maia.agents.janitor_session import JanitorSession, cut_off, describe_counts, janitor_session, through
from maia.agents.session import Shard, check_start
from maia.errors import Unconfirmed
from maia.orchestration import flow, get_run_logger, task
from maia.prefect.run_view import RunView, current_view
from maia.run import recorded, run_process
from maia.runtime.exitcodes import Outcome
from maia.runtime.run_context import record_stats

__all__ = [
    "JanitorOptions", "beyond", "check", "keep_notes", "keep_queue", "keep_records", "keep_snapshots", "keep_videos",
    "run", "run_janitor_cycle", "work",
]  # fmt: skip

_A_DAY: Final = 86_400.0
"""Seconds that the archive may take where nothing else limits it: until the next run."""
_LOOK_SECONDS: Final = 600.0
"""Seconds for looking at the archive."""


@task(name="keep_snapshots")
async def keep_snapshots(batch_size: int = 5_000, *, dry_run: bool = False) -> dict[str, int]:
    """Drops partitions and deletes snapshots that are too old, and makes partitions for what comes.

    Returns:
        counts: snapshots_deleted (rows, without those of dropped partitions), partitions_dropped, partitions_made.
    """
    async with janitor_session() as session:
        if not session.goes_on():
            return {}
        try:
            kept = await cut_off(
                session, lambda: session.dao.keep_snapshots(batch_size, dry_run=dry_run), session.seconds_left
            )
        except StatementFailed as error:
            session.fail("snapshots", error)
            return {}
        if kept is None:
            return {}
        for verb, names in (("made", kept.made), ("dropped", kept.dropped)):
            if names:
                get_run_logger().info("partitions %s%s: %s", "to be " if dry_run else "", verb, ", ".join(names))
        counts = {
            "snapshots_deleted": kept.deleted,
            "partitions_dropped": len(kept.dropped),
            "partitions_made": len(kept.made),
        }
        session.counts.update(counts)
        return counts


@task(name="keep_videos")
async def keep_videos(batch_size: int = 5_000, *, dry_run: bool = False) -> dict[str, int]:
    """Deletes videos that were retired long enough ago or whose metadata was not read again, then empty channels.

    Returns:
        counts: videos_deleted, snapshots_deleted (theirs), videos_blanked (metadata alone), channels_deleted.
    """
    async with janitor_session() as session:
        counts = await through(session, "videos", session.dao.keep_videos(batch_size, dry_run=dry_run))
        return counts | await through(session, "channels", session.dao.keep_channels(batch_size, dry_run=dry_run))


@task(name="keep_queue")
async def keep_queue(batch_size: int = 5_000, *, dry_run: bool = False) -> dict[str, int]:
    """Deletes tags that were neither found nor searched for long. What a user has added or paused stays.

    Returns:
        counts: queries_deleted.
    """
    async with janitor_session() as session:
        return await through(session, "queries", session.dao.keep_queries(batch_size, dry_run=dry_run))


@task(name="keep_notes")
async def keep_notes(batch_size: int = 5_000, *, dry_run: bool = False) -> dict[str, int]:
    """Deletes old events, runs, call counts, suspensions and freezes that ended, and what people were told.

    Returns:
        counts: events_deleted, runs_deleted, calls_deleted, suspensions_deleted, keys_deleted, freezes_deleted,
            notifications_deleted.
    """
    async with janitor_session() as session:
        return await through(session, "notes", session.dao.keep_notes(batch_size, dry_run=dry_run))


@task(name="keep_records")
async def keep_records(*, dry_run: bool = False) -> dict[str, int]:
    """Deletes the archive's days that are too old, and erases its history where it has one.

    Returns:
        counts: days_expired, records_expired (a file each), parts_expired (packed parts).
    """
    async with janitor_session() as session:
        if not vault.enabled or not session.goes_on():
            return {}
        if session.archive_error is not None:
            session.fail("archive", session.archive_error)
            return {}
        left = session.seconds_left
        seconds = _A_DAY if left is None else left
        before = (session.dao.limits or Limits.now()).records
        report = await cut_off(session, lambda: vault.expire(before, dry_run=dry_run, seconds=seconds))
        if report is None:
            return {}
        if report.error is not None and session.goes_on():
            session.fail("archive", report.error)
        if report.days:
            verb = "would delete" if dry_run else "deleted"
            get_run_logger().info("%s %d days of the archive, up to %s", verb, len(report.days), report.days[-1])
        counts = {"days_expired": len(report.days), "records_expired": report.files, "parts_expired": report.parts}
        session.counts.update(counts)
        return counts


@flow(name="run_janitor_cycle")
async def run_janitor_cycle(
    batch_size: int | None = None, *, dry_run: bool = False, max_minutes: float | None = None, yes: bool = False
) -> dict[str, Any]:
    """One pass over all that is kept: snapshots, videos and channels, queue, notes, archive.

    Args:
        batch_size: most rows that one transaction deletes; None: JANITOR_BATCH_SIZE.
        dry_run: deletes nothing; the counts are of what would go.
        max_minutes: begins nothing new after so long (real minutes); None: it has as long as it takes.
        yes: deletes even more than JANITOR_MAX_SHARE allows.

    Returns:
        the counts of the tasks; ``failed``: parts or batches that could not be done; of a dry run ``dry_run`` and
        ``expired``: table → reason → rows; ``cut_short``, where its time was up before all was looked at; and
        ``outcome``: ``ok``, ``idle`` (nothing was too old) or ``failure``.

    Raises:
        CancelledExit: a signal; the batch that ran is finished.
        Unconfirmed: it would delete more than its bound; nothing was deleted.
        ConfigError, DatabaseUnavailable.
    """
    async with janitor_session(dry_run=dry_run) as session:
        size = batch_size or settings.janitor_batch_size
        dry: dict[str, Any] = {"dry_run": True} if dry_run else {}
        session.dao.limits, session.confirmed = Limits.now(), yes
        if dry_run or not yes:
            await _look(session)
            session.shutdown.raise_if_requested()
        # looking is no part of its minutes: a run that never came to an end of it could never delete
        session.ends = None if max_minutes is None else time.monotonic() + max_minutes * 60
        if session.outlook is not None and not dry_run:
            _confirm(session.outlook, session.archive)
        if dry_run:
            dry["expired"] = _by_reason(session.outlook)
            get_run_logger().info("a dry run: nothing is deleted, the counts are of what would go")
        try:
            await keep_snapshots(size, dry_run=dry_run)
            await keep_videos(size, dry_run=dry_run)
            await keep_queue(size, dry_run=dry_run)
            await keep_notes(size, dry_run=dry_run)
            await keep_records(dry_run=dry_run)
            session.shutdown.raise_if_requested()
        finally:
            ended = dry | ({"cut_short": True} if session.cut_short else {})
            record_stats({**session.counts, **ended})
        return {**session.counts, **ended, **_outcome(session, dry_run=dry_run)}


async def _look(session: JanitorSession) -> None:
    """Find what is too old, before anything is deleted; exactly that is deleted then, whatever the clock does."""
    session.outlook = outlook = await cut_off(session, ExpiryDAO().outlook)
    if outlook is None:
        return
    session.dao.limits = outlook.limits
    if not vault.enabled:
        return
    share, before = outlook.share(settings.janitor_max_share, "archive"), outlook.limits.records
    try:
        session.archive = await cut_off(
            session, lambda: vault.outlook(before, share=share, counted=ALWAYS_ALLOWED, seconds=_LOOK_SECONDS)
        )
    except ArchiveUnavailable as error:
        session.archive_error = str(error)  # what cannot be looked at is not deleted either


def beyond(outlook: Outlook, archive: ArchiveOutlook | None) -> list[str]:
    """Return one line for each table, and for the archive, of which a run would delete more than it may."""
    lines = outlook.beyond(settings.janitor_max_share)
    if archive is not None and archive.many:
        share = outlook.share(settings.janitor_max_share, "archive")
        lines.append(
            f"{archive.old:,} of {archive.total:,} days of the archive ({archive.old / archive.total:.0%}, bound "
            f"{share:.0%})"
        )
    return lines


def _confirm(outlook: Outlook, archive: ArchiveOutlook | None) -> None:
    if lines := beyond(outlook, archive):
        raise Unconfirmed(
            f"nothing was deleted: this run would delete {'; '.join(lines)}. It is {iso(clock.now())} by its clock: "
            "check that first. Look with `maia janitor --dry-run`. If that is what you want, confirm it once with "
            "`maia janitor --yes`, or raise JANITOR_MAX_SHARE."
        )


def _by_reason(outlook: Outlook | None) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for part in outlook.expired if outlook else ():
        found.setdefault(part.table, {})[part.reason] = part.rows
    return found


def _outcome(session: JanitorSession, *, dry_run: bool) -> dict[str, Any]:
    if session.failures:
        more = f"; and {len(session.failures) - 1} more" if len(session.failures) > 1 else ""
        return {"outcome": Outcome.FAILURE, "error": f"{session.failures[0]}{more}"}
    if dry_run:
        planned = describe_counts(session.counts, dry_run=True)
        found = f"it {planned}" if planned else "nothing is older than it may be"
        cut = "; the time was up before all was looked at" if session.cut_short else ""
        return {"outcome": Outcome.OK, "reason": f"a dry run: nothing was deleted; {found}{cut}"}
    if session.cut_short:
        again = ", and needs --yes again while that is beyond its bound" if session.confirmed else ""
        reason = f"the time was up before all was looked at; the next run goes on{again}"
        return {"outcome": Outcome.OK, "reason": reason}
    if not any(session.counts.values()):
        return {"outcome": Outcome.IDLE, "reason": "nothing is older than it may be"}
    return {"outcome": Outcome.OK}


@dataclass(frozen=True)
class JanitorOptions:
    """What the command line says of a run.

    Attributes:
        batch_size: rows that one transaction deletes; None: the setting.
        max_minutes: begins nothing new after so long (real minutes).
        result_file: None: the setting MAIA_RESULT_FILE.
        yes: deletes even more than JANITOR_MAX_SHARE allows.
        show: called with what a dry run has found.
    """

    shard: Shard = field(default_factory=Shard)
    batch_size: int | None = None
    max_minutes: float | None = None
    result_file: Path | None = None
    dry_run: bool = False
    yes: bool = False
    show: Callable[[Outlook, ArchiveOutlook | None], None] | None = None


def run(options: JanitorOptions) -> NoReturn:
    """Runs the Janitor and ends the process with the code that says how it went."""

    async def reported() -> Mapping[str, Any]:
        # in a thread: importing Prefect takes seconds, in which a signal is to end the process
        await asyncio.to_thread(orchestration.activate, settings.prefect_api_url, settings.prefect_api_key)
        return await work(options)

    run_process("janitor", str(options.shard), reported, result_file=options.result_file, check=lambda: check(options))


async def work(options: JanitorOptions, *, run_id: str | None = None) -> Mapping[str, Any]:
    """Do one pass in a session of its own, with a row in ``runs``; return the stats.

    Args:
        options: of the run.
        run_id: of the row, where the setting MAIA_RUN_ID is unset.
    """

    async def cycle() -> Mapping[str, Any]:
        current_view.set(RunView.of("janitor", options.shard))
        stats = await run_janitor_cycle(
            options.batch_size, dry_run=options.dry_run, max_minutes=options.max_minutes, yes=options.yes
        )
        get_run_logger().info("%s", _summary(stats))
        return stats

    async with janitor_session(options.shard, dry_run=options.dry_run) as session:
        stats = await recorded("janitor", str(options.shard), cycle, run_id=run_id)
        if options.dry_run and options.show is not None and session.outlook is not None:
            options.show(session.outlook, session.archive)
        return stats


async def check(options: JanitorOptions) -> None:
    """Check the settings that a pass needs. Raises ConfigError."""
    await check_start(archive=not options.dry_run)


def _summary(stats: Mapping[str, Any]) -> str:
    said = f"{stats['outcome']}" + (f" ({stats['reason']})" if "reason" in stats else "")
    if stats.get("dry_run"):
        return said  # which has the counts
    counts = {name: value for name, value in stats.items() if type(value) is int}
    return ", ".join(part for part in (said, describe_counts(counts)) if part)
