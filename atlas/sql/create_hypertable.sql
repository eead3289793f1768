-- Works in both editions of TimescaleDB. A chunk of a week holds what a claim's writes need in memory.
SELECT create_hypertable('$schema.video_stats_log', by_range('observed_at', INTERVAL '7 days'))
