"""The archive: every video is in it, or on the list of what is still to be archived."""

from __future__ import annotations

from datetime import timedelta

from atlas.times import iso
from harness.chaos.record import Checked, Record

_KEPT = timedelta(days=29)  # of schedule time; the Janitor deletes records from RETENTION_METADATA_DAYS (30) on


def archived_or_listed(record: Record) -> Checked:
    """Every video that is known is in the archive, or on the list of what is still to be archived.

    The list is `archived_at`: if it says that the archive has the video, there is a complete record of it. No record is
    damaged or half written. A record that the database does not know of yet is lawful: it is written first, noted
    second, and asked for again. So is one that the Janitor has deleted for its age.
    """
    now = max((call.schedule for call in record.calls), default=None)
    violations = [f"the archive is damaged: {line}" for line in record.damaged]
    for id_, row in record.videos.items():
        at = row["archived_at"]
        if at is not None and id_ not in record.archived and (now is None or now - at < _KEPT):
            violations.append(f"video {id_} was archived at {iso(at)}, and there is no record of it")
    return Checked("every video is archived or to be archived", len(record.videos), violations)
