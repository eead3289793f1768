-- The schema that the tables are in.
CREATE SCHEMA IF NOT EXISTS $schema
