-- Count the snapshots older than a time. $1 the time
SELECT count(*) FROM $schema.video_stats_log WHERE observed_at < $1::timestamptz
