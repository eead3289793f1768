-- Return whether the snapshots may be stored by column; only where TimescaleDB is installed.
SELECT compression_enabled FROM timescaledb_information.hypertables
WHERE '"' || hypertable_schema || '"' = '$schema' AND hypertable_name = 'video_stats_log'
