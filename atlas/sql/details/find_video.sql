-- Find a video with its channel, the query that listed it first, and its last snapshot. $1 id
SELECT videos.*, channels.title AS channel, coalesce(search_queue.display_term, search_queue.query_term) AS found_by_query,
    growth.kind, latest.observed_at, latest.views, latest.likes, latest.comments
FROM $schema.videos
LEFT JOIN $schema.channels ON channels.id = videos.channel_id
LEFT JOIN $schema.search_queue ON search_queue.id = videos.found_by
LEFT JOIN $schema.video_growth AS growth ON growth.video_id = videos.id
LEFT JOIN LATERAL (
    SELECT observed_at, views, likes, comments FROM $schema.video_stats_log
    WHERE video_id = videos.id ORDER BY observed_at DESC LIMIT 1
) AS latest ON true
WHERE videos.id = $1
