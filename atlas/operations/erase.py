"""Erase videos and channels from the database and the archive (`atlas forget`), and verify it.

The database comes first: after that, updates by shards find no row. Then come the archive and its history. At the end
both are searched again, and what a shard stored meanwhile is erased too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from atlas.background import call_in_background
from atlas.vault.archive import Damage
from atlas.vault.erasure import Erased, Selection, erase, search

if TYPE_CHECKING:
    from atlas.adapters.erasure import ErasureDAO
    from atlas.vault.archive import Archive

_ROUNDS = 3

Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Erasure:
    """The result.

    Attributes:
        videos: ids, including those of the channels.
        removed: rows by table, ``files`` and ``parts`` of the archive (records), and ``leased``: videos that a shard
            had claimed.
        left: what a last search found, by the same names.
        unsearched: parts of the archive that cannot be read and may contain more.
        failed: path → why the archive could not change it.
    """

    videos: frozenset[str]
    removed: Counter[str] = field(default_factory=Counter)
    left: dict[str, int] = field(default_factory=dict)
    unsearched: list[Damage] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def proven(self) -> bool:
        """Whether nothing is left and everything was searched."""
        return not any(self.left.values()) and not self.unsearched and not self.failed


async def erase_everywhere(
    dao: ErasureDAO,
    archive: Archive | None,
    videos: Collection[str],
    channels: Collection[str],
    progress: Progress = lambda *_: None,
) -> Erasure:
    """Erase videos, and channels with all their videos, and search again.

    Args:
        archive: None for VAULT_PROVIDER=off.
        progress: called with the step, how much of it is done, and how much there is.

    Raises ArchiveUnavailable (also where it could not erase its history), DatabaseUnavailable, ConfigError.
    """

    async def in_archive(archive: Archive, work: Callable[..., Erased]) -> Erased:
        selection = Selection(done.videos, frozenset(channels))
        return await call_in_background(
            lambda: work(archive, selection, progress=progress), seconds=float("inf"), name="vault-erase"
        )

    done = Erasure(frozenset(videos) | await dao.videos_of(channels))
    for _ in range(_ROUNDS):
        done.removed.update(await dao.erase(done.videos, channels, progress))
        if archive is not None:
            found = await in_archive(archive, erase)
            done.failed = found.failed
            done.removed.update(files=found.files, parts=found.records)
            if not found.video_ids <= done.videos:  # a channel's videos that only the archive knew
                done.videos |= found.video_ids
                done.removed.update(await dao.erase(done.videos, channels, progress))
            again = await in_archive(archive, search)
            done.unsearched = again.unsearched
            if archive.missing:
                done.unsearched = [Damage("", f"there is no archive ({archive.provider.name})", unread=True)]
            done.left = {"files": again.files, "parts": again.records}
        done.videos |= await dao.videos_of(channels)
        done.left |= await dao.remaining(done.videos, channels)
        if not any(done.left.values()):
            break
    return done
