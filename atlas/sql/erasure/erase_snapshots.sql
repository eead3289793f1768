-- Delete every snapshot of videos whose rows are locked; return the number. $1 ids
WITH deleted AS (DELETE FROM $schema.video_stats_log WHERE video_id = ANY ($1::text[]) RETURNING 1)
SELECT count(*) AS number FROM deleted
