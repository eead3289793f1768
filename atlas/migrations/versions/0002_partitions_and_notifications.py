"""Partition the snapshots by time, and add notifications.

A plain ``video_stats_log`` becomes the default partition of a new table of that name; nothing is copied here
(``atlas.snapshots`` moves the rows into partitions afterwards). A hypertable stays one. The downgrade copies the rows
into a plain table, with owner and grants.
"""

import sqlalchemy
from alembic import op

from atlas.errors import ConfigError

revision = "0002"
down_revision = "0001"

PARTITIONED = (
    "ALTER TABLE video_stats_log RENAME TO video_stats_log_default",
    "ALTER INDEX video_stats_log_pkey RENAME TO video_stats_log_default_pkey",
    """
    CREATE TABLE video_stats_log (
        video_id    text NOT NULL,
        observed_at timestamptz NOT NULL,
        views       bigint,
        likes       bigint,
        comments    bigint,
        PRIMARY KEY (video_id, observed_at)
    ) PARTITION BY RANGE (observed_at)
    """,
    "ALTER TABLE video_stats_log ATTACH PARTITION video_stats_log_default DEFAULT",
)
# the owner and the grants of one table for another
SAME_ACCESS = """
    SELECT format('ALTER TABLE {to} OWNER TO %I', pg_get_userbyid(relowner))
    FROM pg_class WHERE oid = to_regclass('{of}') AND pg_get_userbyid(relowner) <> current_user
    UNION ALL
    SELECT format('GRANT %s ON {to} TO %s%s', privilege_type,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM pg_class, aclexplode(relacl) WHERE oid = to_regclass('{of}') AND grantee <> relowner
    UNION ALL
    SELECT format('GRANT %s (%I) ON {to} TO %s%s', privilege_type, attname,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM pg_attribute, aclexplode(attacl) WHERE attrelid = to_regclass('{of}')
"""
VIEWS = """
    SELECT view::regclass::text, bool_or(read.relname LIKE '\\_materialized\\_hypertable\\_%') AS aggregate
    FROM unnest(ARRAY['video_velocity', 'video_stats_hourly', 'video_stats_daily']) AS wanted (name)
    CROSS JOIN to_regclass(name) AS view
    JOIN pg_rewrite ON pg_rewrite.ev_class = view
    JOIN pg_depend ON pg_depend.objid = pg_rewrite.oid AND pg_depend.classid = 'pg_rewrite'::regclass
    JOIN pg_class AS read ON read.oid = pg_depend.refobjid AND pg_depend.refclassid = 'pg_class'::regclass
    GROUP BY view
"""
PLAIN = (
    "LOCK TABLE video_stats_log IN ACCESS EXCLUSIVE MODE",
    "CREATE TABLE video_stats_log_plain AS SELECT video_id, observed_at, views, likes, comments FROM video_stats_log",
)
REPLACE = (
    "DROP TABLE video_stats_log CASCADE",  # with the views, which the release before does not know
    "ALTER TABLE video_stats_log_plain RENAME TO video_stats_log",
    "ALTER TABLE video_stats_log ADD PRIMARY KEY (video_id, observed_at)",
)
# one row for each subject of notifications; the process with the row's token sends the message.
# notified: events in that message, suppressed: events since then
NOTIFICATIONS = """
    CREATE TABLE notifications (
        type        text NOT NULL,
        subject     text NOT NULL DEFAULT '',
        notified_at timestamptz NOT NULL,
        token       uuid,
        notified    bigint NOT NULL DEFAULT 0,
        suppressed  bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (type, subject)
    )
"""
EVENTS_BY_TIME = "CREATE INDEX events_by_time ON events (at, id)"
# indexes for the Janitor; updates by the Tracker do not write these columns
EXPIRY = (
    "CREATE INDEX videos_enriched ON videos (enriched_at) WHERE enriched_at IS NOT NULL",
    "CREATE INDEX videos_retired ON videos (retired_at) WHERE retired_at IS NOT NULL",
    "CREATE INDEX runs_by_start ON runs (started_at)",
)
# in the order of the shards, to avoid deadlocks
LOCKED = "LOCK TABLE videos, video_stats_log, events, runs IN ACCESS EXCLUSIVE MODE"
DEPENDENTS = """
    SELECT string_agg(DISTINCT ev_class::regclass::text, ', ')
    FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid
    WHERE classid = 'pg_rewrite'::regclass AND refobjid = to_regclass('video_stats_log')
"""
IS_HYPERTABLE = "SELECT to_regclass('timescaledb_information.hypertables') IS NOT NULL"
HYPERTABLES = """
    SELECT 1 FROM timescaledb_information.hypertables
    WHERE hypertable_schema = current_schema() AND hypertable_name = 'video_stats_log'
"""


def is_hypertable() -> bool:
    bind = op.get_bind()
    there = bind.execute(sqlalchemy.text(IS_HYPERTABLE)).scalar()
    return bool(there and bind.execute(sqlalchemy.text(HYPERTABLES)).scalar())


def give_same_access(of: str, to: str) -> None:
    for statement in op.get_bind().execute(sqlalchemy.text(SAME_ACCESS.format(of=of, to=to))).scalars().all():
        op.execute(statement)


def upgrade() -> None:
    op.execute(LOCKED)
    if not is_hypertable():
        views = op.get_bind().execute(sqlalchemy.text(DEPENDENTS)).scalar()
        if views:
            raise ConfigError(
                f"video_stats_log is made anew in partitions, and would leave {views} behind. Drop what reads it, run "
                "`atlas migrate`, and make it again."
            )
        for statement in PARTITIONED:
            op.execute(statement)
        give_same_access("video_stats_log_default", "video_stats_log")
    op.execute(NOTIFICATIONS)
    op.execute(EVENTS_BY_TIME)
    for statement in EXPIRY:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX videos_enriched, videos_retired, runs_by_start")
    op.execute("DROP INDEX events_by_time")
    op.execute("DROP TABLE notifications")
    if not is_hypertable():
        for statement in PLAIN:
            op.execute(statement)
        give_same_access("video_stats_log", "video_stats_log_plain")
        for statement in REPLACE:
            op.execute(statement)
    else:
        # the views came with this revision and depend on the table. A continuous aggregate has its own DROP statement
        for view, aggregate in op.get_bind().exec_driver_sql(VIEWS).fetchall():
            op.execute(f"DROP {'MATERIALIZED ' if aggregate else ''}VIEW {view}")
