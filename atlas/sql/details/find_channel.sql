-- Find a channel with totals of its videos, and those that grow fastest, first. No index leads to them: the table of
-- videos is read. $1 id, $2 limit
WITH mine AS MATERIALIZED (
    SELECT videos.id, videos.first_seen_at, videos.retired_at, growth.views, growth.views_per_hour
    FROM $schema.videos LEFT JOIN $schema.video_growth AS growth ON growth.video_id = videos.id
    WHERE videos.channel_id = $1
)
SELECT channels.title, totals.*,
    ARRAY(
        SELECT id FROM mine WHERE retired_at IS NULL AND views_per_hour IS NOT NULL
        ORDER BY views_per_hour DESC, id LIMIT $2
    ) AS fastest,
    ARRAY(SELECT id FROM mine WHERE views_per_hour IS NULL ORDER BY first_seen_at DESC, id LIMIT $2) AS unranked
FROM (
    SELECT count(*) AS videos, count(*) FILTER (WHERE retired_at IS NULL) AS tracked,
        min(first_seen_at) AS first_seen_at, sum(views)::bigint AS views, sum(views_per_hour)::float8 AS views_per_hour
    FROM mine
) AS totals
LEFT JOIN $schema.channels ON channels.id = $1
WHERE totals.videos > 0 OR channels.id IS NOT NULL
