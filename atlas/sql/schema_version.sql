-- The revision that the schema is at.
SELECT version_num FROM atlas_schema_version
