-- $1 buckets from this time on, $2 and before this one
SELECT * FROM $schema.video_stats_daily
WHERE ($1::timestamptz IS NULL OR bucket >= $1) AND ($2::timestamptz IS NULL OR bucket < $2)
