-- Count the rows of a table. Reads it whole.
SELECT count(*) FROM $schema.$table
