-- Count the snapshots of a time range. $1 from, $2 before
SELECT count(*) FROM $schema.video_stats_log WHERE observed_at >= $1::timestamptz AND observed_at < $2::timestamptz
