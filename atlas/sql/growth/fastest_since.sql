-- Find the fastest videos among those read since a time; the index of retired videos tells which are gone. $1 that time,
-- $2 limit
SELECT video_id
FROM $schema.video_growth AS growth
WHERE observed_at >= $1
    AND NOT EXISTS (SELECT FROM $schema.videos WHERE id = growth.video_id AND retired_at IS NOT NULL)
ORDER BY views_per_hour DESC, video_id
LIMIT $2::bigint
