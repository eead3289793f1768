-- Return a row if the snapshots are in a hypertable; only where TimescaleDB is installed.
SELECT 1 FROM timescaledb_information.hypertables
-- by its names: others' hypertables may be in schemas that this user has no right to
WHERE '"' || hypertable_schema || '"' = '$schema' AND hypertable_name = 'video_stats_log'
