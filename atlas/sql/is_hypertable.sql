-- Whether snapshots are in a hypertable; only where TimescaleDB is installed.
SELECT 1 FROM timescaledb_information.hypertables
WHERE to_regclass(format('%I.%I', hypertable_schema, hypertable_name)) = to_regclass('$schema.video_stats_log')
