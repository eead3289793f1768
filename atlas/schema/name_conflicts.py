"""What stands in the way of a migration: things of others in the schema that have the names of Atlas's.

They are looked for before anything is made, since later they could be mistaken for Atlas's own: what has the name of a
view would be replaced, what has the name of a table that is left over would be dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas.config import settings
from atlas.db.queries import sql
from atlas.db.server_info import SCHEMA_VERSION, is_revision
from atlas.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

__all__ = ["INDEXES", "RELATIONS", "VERSION_TABLE", "check_names", "check_version", "check_version_table"]

VERSION_TABLE = "atlas_schema_version"
_SHAPE = ["version_num character varying r"]

# by the revision that brings them; what a change of structure makes for a while is among them
RELATIONS: Mapping[str, tuple[str, ...]] = {
    "0001": (
        "search_queue", "search_queue_id_seq", "channels", "videos", "video_stats_log", "api_keys", "key_suspensions",
        "api_calls", "runs", "events", "events_id_seq",
    ),
    "0002": (
        "notifications", "video_stats_log_default", "video_stats_log_moving", "video_stats_log_replaced",
        "video_stats_log_draining", "video_stats_log_draining_rest", "video_stats_log_converting", "video_velocity",
        "video_stats_hourly", "video_stats_daily",
    ),
    "0005": ("count_freezes", "count_freezes_id_seq"),
}  # fmt: skip
INDEXES: Mapping[str, tuple[str, ...]] = {
    "0001": (
        "search_queue_claim", "search_queue_waiting", "videos_due", "videos_unenriched", "videos_unarchived",
        "videos_channel", "runs_by_run", "events_by_type",
        # which later steps find by its name
        "video_stats_log_pkey",
    ),
    "0002": (
        "events_by_time", "videos_enriched", "videos_retired", "runs_by_start", "video_stats_log_default_pkey",
        "video_stats_log_replaced_pkey", "video_stats_log_draining_rest_pkey", "video_stats_log_converting_pkey",
    ),
    "0005": ("count_freezes_open",),
}  # fmt: skip
_FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "0001": (), "0002": ("video_stats_log_mirror",), "0005": (),
}  # fmt: skip


def check_version_table(connection: Connection) -> None:
    """Raises ConfigError where the table of revisions is another's, or says that several are there."""
    found = list(connection.exec_driver_sql(sql("schema/version_columns")).scalars())
    if not found:
        return
    if found != _SHAPE:
        raise ConfigError(_message(f"table {VERSION_TABLE}, which is not Atlas's"))
    if len(list(connection.exec_driver_sql(sql("schema/schema_version")))) > 1:
        raise ConfigError(_message(f"table {VERSION_TABLE}, which names several revisions"))


def check_version(version: str) -> None:
    """Raises ConfigError where a revision that this release does not know cannot be a later one of Atlas's."""
    if not is_revision(version) or version < SCHEMA_VERSION:
        raise ConfigError(_message(f"table {VERSION_TABLE}, which names a revision that is not Atlas's"))


def check_names(connection: Connection, before: str | None) -> None:
    """Raises ConfigError where names are taken that the revisions after ``before`` need."""
    later = [revision for revision in RELATIONS if before is None or revision > before]
    wanted = [[name for revision in later for name in names[revision]] for names in (RELATIONS, INDEXES, _FUNCTIONS)]
    found = list(connection.exec_driver_sql(sql("schema/find_name_conflicts"), tuple(wanted)).scalars())
    if found:
        raise ConfigError(_message(", ".join(found)))


def _message(what: str) -> str:
    return (
        f"DATABASE_URL: the schema '{settings.database_schema}' holds things under names that Atlas needs: {what}. "
        "Nothing was changed. Name a schema for Atlas alone (DATABASE_SCHEMA), or move or rename them."
    )
