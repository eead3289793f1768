-- Create a table with the columns, defaults and key of another one.
CREATE TABLE $schema.$table (LIKE $schema.$template INCLUDING ALL)
