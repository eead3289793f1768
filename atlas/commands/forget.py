"""`atlas forget`."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from atlas.adapters.erasure import ErasureDAO
from atlas.commands.archive import archive_or_none
from atlas.commands.progress import Progress
from atlas.commands.running import run
from atlas.database import database
from atlas.help import program
from atlas.operations.erase import Erasure, erase_everywhere
from atlas.sanitize import sanitize_line
from atlas.vault.records import check_video_id

_PLACES = {
    "videos": "videos",
    "video_stats_log": "video_stats_log",
    "aggregates": "video_stats_hourly, video_stats_daily",
    "channels": "channels",
    "events": "events",
    "notifications": "notifications",
    "runs": "errors in runs",
}
_LISTED = 20  # videos, and channels, before the question
_IN_ARCHIVE = {"files": "archive: records in files", "parts": "archive: records in parts"}


def forget(
    video: Annotated[list[str] | None, typer.Option(metavar="ID", help="A video; repeat the option for more.")] = None,
    channel: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="A channel with all its videos; repeat the option for more.")
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase videos and channels from the database, the archive and its history, and check that nothing is left.

    Lists what it will delete and asks first; without a terminal it needs --yes. Shows for each place what was removed
    and what a new search still finds; ends with 1 unless that is 0 everywhere. A later search may find a public video
    again.

    \b
      atlas forget --video dQw4w9WgXcQ
      atlas forget --channel UCuAXFkgsw1L7xaCfnd5JJOw --yes
    """
    videos, channels = _checked(video or [], "--video"), _checked(channel or [], "--channel")
    if not videos and not channels:
        raise typer.BadParameter("name at least one video or channel", param_hint="--video or --channel")

    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter(
            "nothing is deleted: this cannot be undone, and there is no terminal to ask on; give --yes to delete",
            param_hint="--yes",
        )

    async def work() -> tuple[Erasure, bool]:
        archive = await archive_or_none(writing=True)
        async with database.session():
            dao = ErasureDAO()
            if not yes:
                await _ask(dao, videos, channels, "the database and the archive" if archive else "the database")
            with Progress() as progress:
                return await erase_everywhere(dao, archive, videos, channels, progress), archive is not None

    done, archived = run(work(), interrupted="interrupted; run it again: it continues, and proves that nothing is left")
    Console().print(_table(done, archived=archived))
    if not archived:
        typer.echo("The archive is off (VAULT_PROVIDER=off): it was not searched.")
    if leased := done.removed["leased"]:
        typer.echo(f"{leased:,} videos were leased by shards; what these write of them is dropped.")
    for damage in done.unsearched:
        typer.echo(f"not searched: {damage}; it may hold more: restore or delete it, then run this again")
    for path, reason in done.failed.items():
        typer.echo(f"not changed: {path}: {reason}")
    if not done.proven:
        raise typer.Exit(1)


async def _ask(dao: ErasureDAO, videos: list[str], channels: list[str], where: str) -> None:
    """Name what will be deleted, and end the command unless the user agrees."""
    wanted = sorted(set(videos) | await dao.videos_of(channels))
    titles = await dao.titles(wanted[:_LISTED], channels[:_LISTED])
    for kind, ids in (("video", wanted), ("channel", channels)):
        for id_ in ids[:_LISTED]:
            title = sanitize_line(titles[id_]) if id_ in titles else "(not in the database)"
            typer.echo(f"{kind} {id_}  {title}".rstrip())
        if len(ids) > _LISTED:
            typer.echo(f"and {len(ids) - _LISTED:,} more {kind}s")
    with _signals_end_command():
        typer.confirm(
            f"Delete {len(wanted):,} videos and {len(channels):,} channels from {where}? This cannot be undone.",
            abort=True,
        )


@contextlib.contextmanager
def _signals_end_command() -> Iterator[None]:
    """End the command at once: the event loop would handle a signal only after the answer."""

    def end(number: int, _: FrameType | None) -> None:
        typer.echo(f"\n{program()}: interrupted; nothing was deleted", err=True)
        raise SystemExit(128 + number)

    before = {
        number: signal.signal(number, end)
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _checked(ids: list[str], option: str) -> list[str]:
    for id_ in ids:
        try:
            check_video_id(id_)
        except ValueError:
            raise typer.BadParameter(f"{id_[:80]!r} is not an id", param_hint=option) from None
    return list(dict.fromkeys(ids))


def _table(done: Erasure, *, archived: bool) -> Table:
    table = Table("place", "removed", "left", box=None)
    for name, place in (_PLACES | (_IN_ARCHIVE if archived else {})).items():
        table.add_row(place, f"{done.removed.get(name, 0):,}", f"{done.left.get(name, 0):,}")
    return table
