-- Return the server, the database, TimescaleDB (preloaded: its loader has settings) and how snapshots are stored.
SELECT
    current_setting('server_version') AS server,
    current_database() AS name,
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
    (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb') AS available,
    current_setting('timescaledb.disable_load', true) IS NOT NULL AS preloaded,
    current_setting('timescaledb.license', true) AS edition,
    to_regclass('$schema.atlas_schema_version') IS NOT NULL AS has_schema,
    to_regclass('timescaledb_information.hypertables') IS NOT NULL AS has_hypertables,
    (SELECT relkind::text FROM pg_class WHERE oid = to_regclass('$schema.video_stats_log')) AS kind
