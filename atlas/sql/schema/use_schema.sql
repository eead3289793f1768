-- Where the revisions, which name tables without a schema, find and make them: until the end of the transaction.
SET LOCAL search_path TO $schema
