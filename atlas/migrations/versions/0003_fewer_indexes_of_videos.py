"""Drop two indexes of ``videos``: each update of a video wrote to both, and few statements used them.

The Janitor and ``atlas forget`` scan the table instead, a few times per run.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
expands = True


def upgrade() -> None:
    op.execute("DROP INDEX IF EXISTS videos_channel, videos_enriched")


def downgrade() -> None:
    op.execute("CREATE INDEX videos_channel ON videos (channel_id)")
    op.execute("CREATE INDEX videos_enriched ON videos (enriched_at) WHERE enriched_at IS NOT NULL")
