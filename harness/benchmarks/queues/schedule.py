"""What another design would allow: the same by hand, on a table that holds nothing but what claims and updates write.

``videos`` would then hold what is read and seldom written, and this table half a page of room for its rows, a key, and
the index that claims walk. Maia's two statements are run on it, but for the columns that it does not have.
"""

from __future__ import annotations

import asyncio
import re

from atlas.db.queries import sql
from harness.benchmarks.queues.bare import Statements, drain
from harness.benchmarks.queues.drained import Drained, Job

__all__ = ["run"]

_TABLE = """
CREATE TABLE schedule (
    id text PRIMARY KEY, zone smallint NOT NULL, absences smallint NOT NULL DEFAULT 0, due_at timestamptz,
    published_at timestamptz, first_seen_at timestamptz NOT NULL, last_updated_at timestamptz,
    duration interval, archived_at timestamptz, last_absent_at timestamptz, retired_at timestamptz,
    leased_until timestamptz, lease_token uuid, leased_by text
) WITH (fillfactor = 50);
CREATE INDEX schedule_due ON schedule (zone, due_at) WHERE due_at IS NOT NULL;
INSERT INTO schedule (id, zone, due_at, published_at, first_seen_at, last_updated_at)
SELECT id, zone, due_at, published_at, first_seen_at, last_updated_at FROM videos
"""
_ELSEWHERE = re.compile(r"\b(title|enriched_at|archived_at),\s")


def run(job: Job) -> Drained:
    """Fills the tables and empties them."""
    claim, update = (
        re.sub(r"\bvideos\b", "schedule", sql(name)) for name in ("tracker/claim_videos", "tracker/update_videos")
    )
    return asyncio.run(drain(job, Statements(_ELSEWHERE.sub("", claim), update, _TABLE)))
