-- Count the snapshots of videos. $1 ids, $2 observed at or after
SELECT count(*) AS number FROM $schema.video_stats_log
WHERE video_id = ANY ($1::text[]) AND observed_at >= $2::timestamptz
