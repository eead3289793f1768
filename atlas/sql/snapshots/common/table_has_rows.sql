-- Return a row if a table is not empty.
SELECT 1 FROM $schema.$table LIMIT 1
