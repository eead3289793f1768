-- Deletes every snapshot of videos whose rows are locked. How many. $1 ids
WITH deleted AS (DELETE FROM $schema.video_stats_log WHERE video_id = ANY ($1::text[]) RETURNING 1)
SELECT count(*) AS number FROM deleted
