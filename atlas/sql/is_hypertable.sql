-- Whether snapshots are in a hypertable; only where TimescaleDB is installed.
SELECT 1 FROM timescaledb_information.hypertables
WHERE hypertable_name = 'video_stats_log' AND hypertable_schema = current_schema()
