-- Count the videos that have a snapshot of exactly this time. $1 ids, $2 schedule time
SELECT count(*) AS snapshots FROM $schema.video_stats_log WHERE video_id = ANY ($1) AND observed_at = $2
