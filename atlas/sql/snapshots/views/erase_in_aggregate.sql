-- Erase videos from a continuous aggregate. $1 ids
DELETE FROM $space.$kept WHERE video_id = ANY ($1::text[])
