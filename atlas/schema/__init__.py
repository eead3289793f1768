"""Migrate the schema and grant the rights on it."""
