"""Hand the vault's buffer to the archive, and record in the database what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from atlas import events, vault
from atlas.clock import clock
from atlas.errors import AtlasError, StatementFailed
from maia.agents.session import AgentSession
from maia.orchestration import get_run_logger

__all__ = ["archive", "archive_when_due"]


async def archive_when_due(session: AgentSession) -> int:
    """Archive at the end of a cycle if the buffer is full or the run ends; return how many videos.

    Not after each cycle: on the Hub a flush is a commit, of which a dataset bears some hundred an hour.
    """
    return await archive(session) if vault.flush_due or session.over or not session.repeats else 0


async def archive(session: AgentSession) -> int:
    """Flush the vault and record what it holds; return how many videos. A failure is logged and blocks nothing.

    After a signal it takes no longer than the grace.
    """
    if not vault.pending() or session.shutdown.grace_left == 0:
        return 0
    report = await vault.flush(session.shutdown.grace_left)
    try:
        known = await session.dao.mark_archived(report.stored)
    except StatementFailed as error:
        get_run_logger().warning("%d videos will be archived again: %s", len(report.stored), error)
        return 0
    await _withdraw(session, [id_ for id_ in report.stored if id_ not in known])
    if report.failed:
        await events.emit(events.EventType.ARCHIVE_FAILED, failed=len(report.failed), error=report.error)
    return len(report.stored)


async def _withdraw(session: AgentSession, erased: Sequence[str]) -> None:
    """Take out of the archive what `atlas forget` erased while its record was in the buffer."""
    seconds = session.shutdown.within_grace(60)
    if not erased or seconds <= 0:
        return
    try:
        await vault.erase(erased, since=(clock.now() - timedelta(days=1)).date(), seconds=seconds)
    except AtlasError as error:
        get_run_logger().error("%d videos that were erased are in the archive: %s", len(erased), error)
