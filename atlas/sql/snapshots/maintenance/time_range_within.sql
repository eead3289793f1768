-- Return the oldest and the newest snapshot between two times; reads one part if these are its bounds. $1 from, $2 to
SELECT min(observed_at) AS oldest, max(observed_at) AS newest FROM $schema.video_stats_log
WHERE observed_at >= $1::timestamptz AND observed_at < $2::timestamptz
