-- Rank videos by their growth, with titles and channels. The narrow table video_growth is read whole and once; of the
-- wide tables only the rows of the answer are read, and the index of retired videos.
WITH ranked AS (
    SELECT *
    FROM (
        SELECT growth.*,
            CASE
                WHEN :by_score::boolean THEN score
                WHEN :period::text = '6h' THEN views_per_hour_6h
                WHEN :period::text = '24h' THEN views_per_hour_24h
                ELSE views_per_hour
            END AS pace
        FROM $schema.video_growth AS growth
        WHERE views >= :min_views::bigint AND (:kind::smallint IS NULL OR kind = :kind::smallint)
            AND (:ids::text[] IS NULL OR video_id = ANY (:ids::text[]))
            -- a hashed subquery: an array would be searched once more for each video
            AND (:query::text IS NULL OR found_by IN (
                SELECT id FROM $schema.search_queue WHERE strpos(lower(query_term), lower(:query::text)) > 0
            ))
    ) AS rated
    WHERE NOT EXISTS (
        SELECT FROM $schema.videos
        WHERE id = rated.video_id AND retired_at IS NOT NULL AND NOT :retired::boolean
    )
    ORDER BY pace DESC NULLS LAST, video_id
    LIMIT :limit::bigint
)
SELECT ranked.*, videos.title, videos.channel_id, channels.title AS channel, videos.category_id, videos.duration,
    videos.published_at, videos.first_seen_at, videos.zone, search_queue.query_term AS found_by_query,
    breakouts.detected_at AS breakout_at
FROM ranked
JOIN $schema.videos ON videos.id = ranked.video_id
LEFT JOIN $schema.channels ON channels.id = videos.channel_id
LEFT JOIN $schema.search_queue ON search_queue.id = videos.found_by
LEFT JOIN $schema.breakouts ON breakouts.video_id = ranked.video_id AND breakouts.ended_at IS NULL
ORDER BY ranked.pace DESC NULLS LAST, ranked.video_id
