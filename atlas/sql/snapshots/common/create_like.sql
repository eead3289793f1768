-- A table like that of the snapshots: columns, defaults and key.
CREATE TABLE $schema.$table (LIKE $schema.video_stats_log INCLUDING ALL)
