"""Alembic's entry: runs all revisions on the connection that ``atlas.schema.migrate`` hands over, inside its
transaction."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="atlas_schema_version",  # Prefect's own server has an alembic_version
    transaction_per_migration=False,
)
context.run_migrations()
