-- Views per hour between a video's last two snapshots, the fastest first. Only the videos that were read last are
-- looked at ($2 of each zone, from the end of videos_due), so that the cost does not grow with the table.
-- $1 how many, $2 candidates of each zone, $3 schedule time: later snapshots are left out (NULL: none is)
WITH lately AS (
    (SELECT id FROM $schema.videos WHERE zone = 1 AND due_at IS NOT NULL ORDER BY due_at DESC LIMIT $2::bigint) UNION ALL
    (SELECT id FROM $schema.videos WHERE zone = 2 AND due_at IS NOT NULL ORDER BY due_at DESC LIMIT $2::bigint) UNION ALL
    (SELECT id FROM $schema.videos WHERE zone = 3 AND due_at IS NOT NULL ORDER BY due_at DESC LIMIT $2::bigint)
), grown AS (
    SELECT lately.id, last.at[1] AS observed_at, last.views[1] AS views, last.at[2] AS previous_at,
        last.views[2] AS previous_views,
        (last.views[1] - last.views[2]) * 3600.0::float8 / extract(epoch FROM last.at[1] - last.at[2])::float8
            AS views_per_hour
    FROM lately
    CROSS JOIN LATERAL (
        -- both at once: each probe looks into every partition
        SELECT array_agg(observed_at) AS at, array_agg(views) AS views
        FROM (
            SELECT observed_at, views FROM $schema.video_stats_log
            WHERE video_id = lately.id AND views IS NOT NULL
                AND ($3::timestamptz IS NULL OR observed_at <= $3::timestamptz)
            ORDER BY observed_at DESC LIMIT 2
        ) AS two
    ) AS last
    WHERE last.at[2] IS NOT NULL
    ORDER BY views_per_hour DESC, lately.id
    LIMIT $1::bigint
)
SELECT grown.id, videos.title, channels.title AS channel, videos.zone, videos.published_at, videos.first_seen_at,
    grown.observed_at, grown.views, grown.previous_at, grown.previous_views, grown.views_per_hour
FROM grown JOIN $schema.videos ON videos.id = grown.id LEFT JOIN $schema.channels ON channels.id = videos.channel_id
ORDER BY grown.views_per_hour DESC, grown.id
