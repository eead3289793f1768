-- Rename a table.
ALTER TABLE $schema.$table RENAME TO $new_name
