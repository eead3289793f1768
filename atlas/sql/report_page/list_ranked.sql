-- List the videos with the highest views per hour, the fastest first, with titles, channels and open breakouts.
-- $1 limit
WITH ranked AS (
    SELECT growth.*
    FROM $schema.video_growth AS growth
    WHERE NOT EXISTS (SELECT FROM $schema.videos WHERE id = growth.video_id AND retired_at IS NOT NULL)
    ORDER BY views_per_hour DESC, video_id
    LIMIT $1::bigint
)
SELECT ranked.video_id, left(videos.title, 1000) AS title, videos.channel_id, left(channels.title, 1000) AS channel,
    ranked.kind, videos.zone, videos.published_at, ranked.observed_at, ranked.views, ranked.views_per_hour,
    ranked.views_per_hour_6h, ranked.views_per_hour_24h, ranked.usual_per_hour, ranked.score,
    breakouts.detected_at AS breakout_at, ranked.views_24h_low, ranked.views_24h, ranked.views_24h_high,
    ranked.views_7d_low, ranked.views_7d, ranked.views_7d_high
FROM ranked
JOIN $schema.videos ON videos.id = ranked.video_id
LEFT JOIN $schema.channels ON channels.id = videos.channel_id
LEFT JOIN $schema.breakouts ON breakouts.video_id = ranked.video_id AND breakouts.ended_at IS NULL
ORDER BY ranked.views_per_hour DESC, ranked.video_id
