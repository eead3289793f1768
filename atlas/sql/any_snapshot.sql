-- Whether there is a snapshot at all.
SELECT 1 FROM $schema.video_stats_log LIMIT 1
