-- Drop a table.
DROP TABLE IF EXISTS $schema.$table
