-- $1 last observed from this time on, $2 and before this one
SELECT * FROM $schema.video_velocity
WHERE ($1::timestamptz IS NULL OR observed_at >= $1) AND ($2::timestamptz IS NULL OR observed_at < $2)
