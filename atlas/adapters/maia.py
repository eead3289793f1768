"""MaiaDAO: every statement that the agents need, behind methods that read like their work.

A claim gives a lease with a token. Progress (page token, due time, tracker updates) is written
only where the token is still this DAO's: a late shard writes nothing there. Videos, tags and first snapshots are
idempotent and always kept.
"""

from __future__ import annotations

from atlas.adapters.hunter import Hunting
from atlas.adapters.tracker import Tracking

__all__ = ["MaiaDAO"]


class MaiaDAO(Hunting, Tracking):
    """The agents' access to the database: the Hunter's half and the Tracker's. Constructing it does no I/O.

    Args:
        shard: named in leases, such as ``hunter 0/4``.
        store: another database than the process's own, for tests.
    """
