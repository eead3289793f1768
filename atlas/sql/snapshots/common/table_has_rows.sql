-- Whether a table holds a row.
SELECT 1 FROM $schema.$table LIMIT 1
