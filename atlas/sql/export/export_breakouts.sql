-- Select the rows of an export. $1 detected from this time on, $2 before this time
SELECT id, video_id, detected_at, score, views, views_per_hour, usual_per_hour, peak_views_per_hour, ended_at
FROM $schema.breakouts
WHERE ($1::timestamptz IS NULL OR detected_at >= $1) AND ($2::timestamptz IS NULL OR detected_at < $2)
