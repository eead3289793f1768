-- Update the statistics of all partitions together: autovacuum analyzes each partition only.
ANALYZE $schema.video_stats_log
