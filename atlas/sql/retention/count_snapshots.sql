-- Counts the snapshots of these videos. $1 ids, $2 not older than
SELECT count(*) AS number FROM $schema.video_stats_log
WHERE video_id = ANY ($1::text[]) AND observed_at >= $2::timestamptz
