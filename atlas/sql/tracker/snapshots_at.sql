-- How many of these videos have a snapshot of this very moment. $1 ids, $2 schedule time
SELECT count(*) AS snapshots FROM $schema.video_stats_log WHERE video_id = ANY ($1) AND observed_at = $2
