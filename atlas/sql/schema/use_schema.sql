-- Set the schema of this transaction, since the revisions name tables without one.
SET LOCAL search_path TO $schema
