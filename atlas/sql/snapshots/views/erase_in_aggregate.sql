-- Deletes what a continuous aggregate keeps of some videos. $1 ids
DELETE FROM $space.$kept WHERE video_id = ANY ($1::text[])
