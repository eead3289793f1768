-- Count the snapshots from one time until before another. $1 from, $2 to
SELECT count(*) FROM $schema.video_stats_log WHERE observed_at >= $1::timestamptz AND observed_at < $2::timestamptz
