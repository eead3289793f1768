-- Which channels grow fastest? Views per hour of all their videos with two readings, and the share of the fastest one.
SELECT channels.title AS channel, rising.videos, round(rising.views_per_hour) AS per_hour,
    round((100 * rising.fastest / nullif(rising.views_per_hour, 0))::numeric) AS percent_of_fastest,
    rising.channel_id
FROM (
    SELECT videos.channel_id, count(*) AS videos, sum(growth.views_per_hour)::float8 AS views_per_hour,
        max(growth.views_per_hour) AS fastest
    FROM $schema.video_growth AS growth JOIN $schema.videos ON videos.id = growth.video_id
    WHERE videos.retired_at IS NULL AND videos.channel_id IS NOT NULL
    GROUP BY videos.channel_id
    ORDER BY sum(growth.views_per_hour) DESC
    LIMIT 100
) AS rising
LEFT JOIN $schema.channels ON channels.id = rising.channel_id
ORDER BY rising.views_per_hour DESC
