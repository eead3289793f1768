-- Delete the snapshots older than a time of a range of videos. $1 the time, $2 after this video, $3 up to this one
DELETE FROM $schema.video_stats_log
WHERE observed_at < $1::timestamptz AND video_id > $2::text AND video_id <= $3::text
