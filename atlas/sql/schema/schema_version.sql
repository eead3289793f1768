-- Return the revision of the schema.
SELECT version_num FROM $schema.atlas_schema_version
