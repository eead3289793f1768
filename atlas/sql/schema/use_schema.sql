-- Set where the revisions, which name tables without a schema, find and create them, until the transaction ends.
SET LOCAL search_path TO $schema
