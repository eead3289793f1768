-- How much time a chunk of the hypertable holds.
SELECT time_interval FROM timescaledb_information.dimensions
WHERE to_regclass(format('%I.%I', hypertable_schema, hypertable_name)) = to_regclass('$schema.video_stats_log')
    AND column_name = 'observed_at'
