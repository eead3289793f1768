"""Add columns for checked answers: how far a search round has read, how a user spelled a query, which calls were
refused; and the schedule clock of each run.

All of them have a default or may be NULL, so that the release before works on this schema.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
expands = True


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE search_queue
            ADD COLUMN display_term text,
            ADD COLUMN oldest_read timestamptz,
            ADD COLUMN round_before timestamptz,
            ADD COLUMN slice_results integer NOT NULL DEFAULT 0,
            ADD COLUMN round_pages integer NOT NULL DEFAULT 0,
            ADD COLUMN empty_answers smallint NOT NULL DEFAULT 0
        """
    )
    op.execute("ALTER TABLE api_calls ADD COLUMN refused bigint NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE runs ADD COLUMN clock text")


def downgrade() -> None:
    op.execute(
        """
        ALTER TABLE search_queue
            DROP COLUMN display_term, DROP COLUMN oldest_read, DROP COLUMN round_before, DROP COLUMN slice_results,
            DROP COLUMN round_pages, DROP COLUMN empty_answers
        """
    )
    op.execute("ALTER TABLE api_calls DROP COLUMN refused")
    op.execute("ALTER TABLE runs DROP COLUMN clock")
