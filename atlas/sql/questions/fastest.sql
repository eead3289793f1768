-- Which videos grow fastest? By views per hour between their last two readings; the breakout score beside it.
SELECT videos.title, channels.title AS channel, growth.views, round(growth.views_per_hour) AS per_hour,
    round((growth.views_per_hour / nullif(growth.usual_per_hour, 0))::numeric, 1) AS times_usual,
    round(growth.score::numeric, 1) AS score, growth.video_id
FROM $schema.video_growth AS growth
JOIN $schema.videos ON videos.id = growth.video_id AND videos.retired_at IS NULL
LEFT JOIN $schema.channels ON channels.id = videos.channel_id
ORDER BY growth.views_per_hour DESC
LIMIT 100
