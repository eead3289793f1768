-- Rename an index.
ALTER INDEX IF EXISTS $schema.$index RENAME TO $new_name
