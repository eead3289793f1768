-- Return the revision of the schema, and what server_state returns.
SELECT
    version.version_num,
    current_setting('server_encoding') AS encoding,
    pg_is_in_recovery() AS standby,
    current_setting('transaction_read_only') = 'on' AS read_only,
    clock_timestamp() AS now
FROM (SELECT) AS one
LEFT JOIN $schema.atlas_schema_version AS version ON true
