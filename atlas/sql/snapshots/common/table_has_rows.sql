-- Return a row if a table holds any.
SELECT 1 FROM $schema.$table LIMIT 1
