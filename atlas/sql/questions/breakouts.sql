-- Which videos broke out last? `ended_at` is empty while it lasts; rates and scores are calculated by Maia.
SELECT breakouts.detected_at, videos.title, round(breakouts.score::numeric, 1) AS score,
    round(breakouts.peak_views_per_hour) AS peak_per_hour, breakouts.ended_at, breakouts.video_id
FROM $schema.breakouts JOIN $schema.videos ON videos.id = breakouts.video_id
ORDER BY breakouts.detected_at DESC
LIMIT 100
