"""The schema: migrations, roles and name conflicts."""
