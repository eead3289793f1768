"""The revisions of the schema (Alembic). They expand before they contract: the previous release keeps working."""
