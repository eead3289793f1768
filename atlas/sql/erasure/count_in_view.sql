-- The rows that a view shows of videos. $1 ids
SELECT count(*) AS number FROM $schema.$view WHERE video_id = ANY ($1::text[])
