-- A partitioned table like that of the snapshots.
CREATE TABLE $schema.$table (LIKE $schema.video_stats_log INCLUDING ALL) PARTITION BY RANGE (observed_at)
