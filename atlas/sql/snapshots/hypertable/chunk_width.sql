-- Return the time range of a chunk of the hypertable.
SELECT time_interval FROM timescaledb_information.dimensions
WHERE '"' || hypertable_schema || '"' = '$schema' AND hypertable_name = 'video_stats_log'
    AND column_name = 'observed_at'
