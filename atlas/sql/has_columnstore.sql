-- Whether snapshots may be kept by column; only where TimescaleDB is installed.
SELECT compression_enabled FROM timescaledb_information.hypertables
WHERE to_regclass(format('%I.%I', hypertable_schema, hypertable_name)) = to_regclass('$schema.video_stats_log')
