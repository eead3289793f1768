"""`atlas forget`: everything about videos or channels, taken out of the database and the archive.

The database first: what shards write of these videos from then on finds no row. Then the archive and its history. Then
both are searched again, and what a shard brought back in between is taken out too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from atlas.background import call_in_background
from atlas.vault.archive import Damage
from atlas.vault.erasure import Forgotten, Wanted, forget, search

if TYPE_CHECKING:
    from atlas.adapters.erasure import ForgetDAO
    from atlas.vault.archive import Archive

__all__ = ["Forgetting", "forget_everywhere"]

_ROUNDS = 3

Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Forgetting:
    """What was done.

    Attributes:
        videos: ids, those of the channels among them.
        removed: rows by table, ``files`` and ``parts`` of the archive (records), and ``held``: videos that a shard had
            claimed.
        left: what a last search found, by the same names.
        unsearched: what of the archive cannot be read, and so may hold more.
        failed: what of the archive could not be changed, by path, with the reason.
    """

    videos: frozenset[str]
    removed: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    unsearched: list[Damage] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def proven(self) -> bool:
        """Whether nothing is left, and everything was searched."""
        return not any(self.left.values()) and not self.unsearched and not self.failed


async def forget_everywhere(
    dao: ForgetDAO,
    archive: Archive | None,
    videos: Collection[str],
    channels: Collection[str],
    progress: Progress = lambda *_: None,
) -> Forgetting:
    """Forgets, and proves it.

    Args:
        dao: the database.
        archive: the archive, or None where there is none (VAULT_PROVIDER=off).
        videos: ids.
        channels: ids; each with all its videos, by the database's and by the archive's word.
        progress: called with what is done, how much of it is done, and how much there is.

    Raises:
        ArchiveUnavailable: the archive cannot be reached, or could not erase its history.
        DatabaseUnavailable, ConfigError.
    """
    known = frozenset(videos) | await dao.videos_of(channels)
    done = Forgetting(known)
    for _ in range(_ROUNDS):
        _add(done.removed, await dao.forget(done.videos, channels, progress))
        if archive is not None:
            found = await _in_archive(archive, forget, done.videos, channels, progress)
            done.failed = found.failed
            _add(done.removed, {"files": found.files, "parts": found.records})
            if not found.video_ids <= done.videos:  # a channel's videos that only the archive knew
                done.videos |= found.video_ids
                _add(done.removed, await dao.forget(done.videos, channels, progress))
            again = await _in_archive(archive, search, done.videos, channels, progress)
            done.unsearched = again.unsearched
            if archive.missing:
                done.unsearched = [Damage("", f"no archive is to be seen there ({archive.provider.name})", unread=True)]
            done.left = {"files": again.files, "parts": again.records}
        done.videos |= await dao.videos_of(channels)
        done.left |= await dao.left(done.videos, channels)
        if not any(done.left.values()):
            break
    return done


async def _in_archive(
    archive: Archive,
    work: Callable[..., Forgotten],
    videos: Collection[str],
    channels: Collection[str],
    progress: Progress,
) -> Forgotten:
    wanted = Wanted(frozenset(videos), frozenset(channels))
    return await call_in_background(
        lambda: work(archive, wanted, progress=progress), seconds=float("inf"), name="vault-forget"
    )


def _add(sums: dict[str, int], more: dict[str, int]) -> None:
    for name, number in more.items():
        sums[name] = sums.get(name, 0) + number
