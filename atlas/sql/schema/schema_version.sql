-- The revision that the schema is at.
SELECT version_num FROM $schema.atlas_schema_version
