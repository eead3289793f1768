-- The server, the database and TimescaleDB.
SELECT
    current_setting('server_version') AS server,
    current_database() AS name,
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
    (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb') AS available,
    current_setting('timescaledb.license', true) AS edition,
    to_regclass('$schema.atlas_schema_version') IS NOT NULL AS has_schema,
    to_regclass('timescaledb_information.hypertables') IS NOT NULL AS has_hypertables
