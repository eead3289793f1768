"""The Janitor: delete what is older than it may be kept, from the database and the archive. It makes no API call.

A video that was not read again in time is deleted; reading it again is the Tracker's work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from atlas import vault
from atlas.adapters.retention import ALWAYS_ALLOWED, Outlook, RetentionLimits
from atlas.clock import clock
from atlas.config import settings
from atlas.errors import ArchiveUnavailable, StatementFailed
from atlas.times import iso
from atlas.vault.expiry import ArchiveOutlook
from maia.agents.janitor_session import JanitorSession, describe_counts, janitor_session
from maia.agents.session import Shard, check_start
from maia.errors import Unconfirmed
from maia.orchestration import flow, get_run_logger, task
from maia.prefect.run_view import RunView, current_view
from maia.run import record_run, run_process
from maia.runtime.exitcodes import Outcome
from maia.runtime.run_context import record_stats

_A_DAY: Final = 86_400.0
"""Seconds that the archive may take without another limit: until the next run."""
_LOOK_SECONDS: Final = 600.0
"""Seconds for looking at the archive."""


@task(name="expire_snapshots")
async def expire_snapshots(batch_size: int, *, dry_run: bool = False) -> None:
    """Drop partitions and delete snapshots that are too old, and make partitions for the snapshots to come."""
    async with janitor_session() as session:
        if not session.may_start():
            return
        try:
            done = await session.cut_off(
                lambda: session.dao.expire_snapshots(batch_size, dry_run=dry_run), session.seconds_left
            )
        except StatementFailed as error:
            session.fail("snapshots", error)
            return
        if done is None:
            return
        for verb, names in (("made", done.made), ("dropped", done.dropped)):
            if names:
                get_run_logger().info("partitions %s%s: %s", "to be " if dry_run else "", verb, ", ".join(names))
        session.counts["snapshots_deleted"] += done.deleted
        session.counts["partitions_dropped"] += len(done.dropped)
        session.counts["partitions_made"] += len(done.made)


@task(name="expire_videos")
async def expire_videos(batch_size: int, *, dry_run: bool = False) -> None:
    """Delete videos that were retired long enough ago or whose metadata was not read again, then empty channels."""
    async with janitor_session() as session:
        await session.work_through("videos", session.dao.expire_videos(batch_size, dry_run=dry_run))
        await session.work_through("channels", session.dao.expire_channels(batch_size, dry_run=dry_run))


@task(name="expire_queue")
async def expire_queue(batch_size: int, *, dry_run: bool = False) -> None:
    """Delete tags that were neither found nor searched for long. What a user has added or paused stays."""
    async with janitor_session() as session:
        await session.work_through("queries", session.dao.expire_queries(batch_size, dry_run=dry_run))


@task(name="expire_history")
async def expire_history(batch_size: int, *, dry_run: bool = False) -> None:
    """Delete old events, runs, call counts, notifications, and suspensions and freezes that ended."""
    async with janitor_session() as session:
        await session.work_through("history", session.dao.expire_history(batch_size, dry_run=dry_run))


@task(name="expire_archive")
async def expire_archive(*, dry_run: bool = False) -> None:
    """Delete the archive's days that are too old, and erase its history where it has one."""
    async with janitor_session() as session:
        if not vault.enabled or not session.may_start():
            return
        if session.archive_error is not None:
            session.fail("archive", session.archive_error)
            return
        seconds = _A_DAY if (left := session.seconds_left) is None else left
        before = (session.dao.limits or RetentionLimits.now()).records
        report = await session.cut_off(lambda: vault.expire(before, dry_run=dry_run, seconds=seconds))
        if report is None:
            return
        if report.error is not None and session.may_start():
            session.fail("archive", report.error)
        if report.days:
            verb = "would delete" if dry_run else "deleted"
            get_run_logger().info("%s %d days of the archive, up to %s", verb, len(report.days), report.days[-1])
        session.counts["days_expired"] += len(report.days)
        session.counts["records_expired"] += report.files
        session.counts["parts_expired"] += report.parts


@flow(name="run_janitor_cycle")
async def run_janitor_cycle(
    batch_size: int | None = None, *, dry_run: bool = False, max_minutes: float | None = None, yes: bool = False
) -> dict[str, Any]:
    """Expire snapshots, videos and channels, queue, history and archive once.

    Args:
        batch_size: most rows that one transaction deletes; None: JANITOR_BATCH_SIZE.
        dry_run: delete nothing, and count what would be deleted.
        max_minutes: start nothing new after this time (real minutes); None: no limit.
        yes: delete even more than JANITOR_MAX_SHARE allows.

    Returns:
        the counts (``janitor_session.COUNTS``; ``failed``: parts or batches); of a dry run ``dry_run`` and ``expired``:
        table → reason → rows; ``cut_short``, where the time was up before all was looked at; and ``outcome``: ``ok``,
        ``idle`` (nothing was too old) or ``failure``.

    Raises:
        CancelledExit: a signal; the running batch is finished.
        Unconfirmed: it would delete more than its bound; nothing was deleted.
        ConfigError, DatabaseUnavailable.
    """
    async with janitor_session(dry_run=dry_run) as session:
        size = batch_size or settings.janitor_batch_size
        dry: dict[str, Any] = {"dry_run": True} if dry_run else {}
        session.dao.limits, session.confirmed = RetentionLimits.now(), yes
        if dry_run or not yes:
            await _look(session)
            session.shutdown.raise_if_requested()
        # the look does not count: a run that has no time left after it would never delete
        session.ends = None if max_minutes is None else time.monotonic() + max_minutes * 60
        if session.outlook is not None and not dry_run:
            _confirm(session.outlook, session.archive)
        if dry_run:
            dry["expired"] = _by_reason(session.outlook)
            get_run_logger().info("dry run: nothing is deleted, the counts are of what would be deleted")
        try:
            await expire_snapshots(size, dry_run=dry_run)
            await expire_videos(size, dry_run=dry_run)
            await expire_queue(size, dry_run=dry_run)
            await expire_history(size, dry_run=dry_run)
            await expire_archive(dry_run=dry_run)
            session.shutdown.raise_if_requested()
        finally:
            ended = dry | ({"cut_short": True} if session.cut_short else {})
            record_stats({**session.counts, **ended})
        return {**session.counts, **ended, **_outcome(session, dry_run=dry_run)}


async def _look(session: JanitorSession) -> None:
    """Find what is too old before anything is deleted, and fix the limits: the clock may jump later."""
    session.outlook = outlook = await session.cut_off(session.dao.outlook)
    if outlook is None:
        return
    session.dao.limits = outlook.limits
    if not vault.enabled:
        return
    share, before = outlook.share(settings.janitor_max_share, "archive"), outlook.limits.records
    try:
        session.archive = await session.cut_off(
            lambda: vault.outlook(before, share=share, counted=ALWAYS_ALLOWED, seconds=_LOOK_SECONDS)
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
    """The options of a run, from the command line or the parameters of a deployed flow; see ``run_janitor_cycle``.

    Attributes:
        result_file: None: the setting MAIA_RESULT_FILE.
        show: called with what a dry run has found.
    """

    shard: Shard = field(default_factory=Shard)
    batch_size: int | None = None
    max_minutes: float | None = None
    result_file: Path | None = None
    dry_run: bool = False
    yes: bool = False
    show: Callable[[Outlook, ArchiveOutlook | None], None] | None = None
    metrics_port: int | None = None


def run(options: JanitorOptions) -> NoReturn:
    """Run the Janitor and end the process with its exit code."""
    run_process(
        "janitor", str(options.shard), lambda: work(options), result_file=options.result_file,
        check=lambda: check(options), prefect=True, metrics_port=options.metrics_port,
    )  # fmt: skip


async def work(options: JanitorOptions, *, run_id: str | None = None) -> Mapping[str, Any]:
    """Run one cycle in a session of its own, with a row in ``runs``; return the stats.

    Args:
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
        stats = await record_run("janitor", str(options.shard), cycle, run_id=run_id)
        if options.dry_run and options.show is not None and session.outlook is not None:
            options.show(session.outlook, session.archive)
        return stats


async def check(options: JanitorOptions) -> None:
    """Check the settings that a run needs. Raises ConfigError."""
    await check_start(archive=not options.dry_run)


def _summary(stats: Mapping[str, Any]) -> str:
    line = f"{stats['outcome']}" + (f" ({stats['reason']})" if "reason" in stats else "")
    if stats.get("dry_run"):
        return line  # the reason has the counts
    counts = {name: value for name, value in stats.items() if type(value) is int}
    return ", ".join(part for part in (line, describe_counts(counts)) if part)
