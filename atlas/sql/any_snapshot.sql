-- Whether there is a snapshot at all.
SELECT 1 FROM video_stats_log LIMIT 1
