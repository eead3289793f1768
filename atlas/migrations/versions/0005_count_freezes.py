"""Add the table of freezes: times in which YouTube changed the counts of no video.

Only a new table, so that the previous release works on this schema.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
expands = True


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE count_freezes (
            id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            started_at   timestamptz NOT NULL,
            ended_at     timestamptz,
            confirmed_at timestamptz,
            videos       integer NOT NULL,
            channels     integer NOT NULL,
            token        uuid
        )
        """
    )
    # at most one is open, for all shards
    op.execute("CREATE UNIQUE INDEX count_freezes_open ON count_freezes ((ended_at IS NULL)) WHERE ended_at IS NULL")


def downgrade() -> None:
    op.execute("DROP TABLE count_freezes")
