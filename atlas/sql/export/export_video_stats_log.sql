-- Select the rows of an export. $1 observed from this time on, $2 before this time
SELECT video_id, observed_at, views, likes, comments FROM $schema.video_stats_log
WHERE ($1::timestamptz IS NULL OR observed_at >= $1) AND ($2::timestamptz IS NULL OR observed_at < $2)
