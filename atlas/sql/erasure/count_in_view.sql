-- Count the rows of videos in a view. $1 ids
SELECT count(*) AS number FROM $schema.$view WHERE video_id = ANY ($1::text[])
