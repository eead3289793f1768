"""Snapshots in partitions by time, and what people were told of.

A plain ``video_stats_log`` becomes the default partition of a new table of that name, whatever it holds: nothing is
copied. Where it is a hypertable already it stays one.
"""

import sqlalchemy
from alembic import op

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
# one row for each thing that people were told of: the process that writes it is the one that tells them
NOTIFICATIONS = """
    CREATE TABLE notifications (
        type       text NOT NULL,
        subject    text NOT NULL DEFAULT '',
        told_at    timestamptz NOT NULL,
        suppressed bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (type, subject)
    )
"""
IS_HYPERTABLE = "SELECT to_regclass('timescaledb_information.hypertables') IS NOT NULL"
HYPERTABLES = """
    SELECT 1 FROM timescaledb_information.hypertables
    WHERE to_regclass(format('%I.%I', hypertable_schema, hypertable_name)) = to_regclass('video_stats_log')
"""


def upgrade() -> None:
    bind = op.get_bind()
    there = bind.execute(sqlalchemy.text(IS_HYPERTABLE)).scalar()
    if not (there and bind.execute(sqlalchemy.text(HYPERTABLES)).scalar()):
        for statement in PARTITIONED:
            op.execute(statement)
    op.execute(NOTIFICATIONS)


def downgrade() -> None:
    op.execute("DROP TABLE notifications")
