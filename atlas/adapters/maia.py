"""MaiaDAO: every statement that the agents need, as methods.

A claim gives a lease with a token. Progress (page token, due time, tracker updates) is written
only where the token is still this DAO's: a late shard writes nothing there. Videos, tags and first snapshots are
idempotent and always kept.
"""

from __future__ import annotations

from atlas.adapters.hunter import Hunting
from atlas.adapters.judging import Judging
from atlas.adapters.tracker import Tracking


class MaiaDAO(Hunting, Tracking, Judging):
    """The agents' access to the database: the Hunter's half, the Tracker's, and the detector's.

    Constructing it does no I/O.

    Args:
        shard: named in leases, such as ``hunter 0/4``.
        store: another database than the process's own, for tests.
    """
