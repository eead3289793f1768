-- Count the videos read since $2 that were expected to gain views, and those of them whose count has not changed. A video
-- is expected to gain if it is young and would, at its previous rate, have gained much in this interval. While a freeze is
-- open, the previous rate is that of the last interval before it.
-- $1 ids, $2 with a snapshot from this schedule time on, $3 published after this, $4 the shortest interval that counts,
-- $5 the smallest gain that counts
WITH open AS MATERIALIZED (
    SELECT started_at, confirmed_at FROM $schema.count_freezes WHERE ended_at IS NULL
), newest AS (
    SELECT video.id, video.channel_id, video.published_at, latest.*
    FROM $schema.videos AS video
    CROSS JOIN LATERAL (
        SELECT observed_at, views, lead(views, 1) OVER newest AS views_1, lead(observed_at, 1) OVER newest AS at_1,
            lead(views, 2) OVER newest AS views_2, lead(observed_at, 2) OVER newest AS at_2
        FROM (
            SELECT log.observed_at, log.views FROM $schema.video_stats_log AS log
            WHERE log.video_id = video.id AND log.views IS NOT NULL
            ORDER BY log.observed_at DESC LIMIT 3
        ) AS three
        WINDOW newest AS (ORDER BY observed_at DESC)
        ORDER BY observed_at DESC LIMIT 1
    ) AS latest
    WHERE video.id = ANY ($1::text[]) AND (video.published_at > $3::timestamptz OR EXISTS (SELECT FROM open))
        AND latest.observed_at >= $2::timestamptz AND latest.at_1 IS NOT NULL
), judged AS (
    SELECT coalesce(channel_id, id) AS channel, newest.observed_at, newest.views <> views_1 AS moved,
        published_at > $3::timestamptz AND newest.observed_at - at_1 >= $4::interval
            AND extract(epoch FROM newest.observed_at - at_1) * CASE
                WHEN EXISTS (SELECT FROM open)
                    THEN (before.views - older_views) / extract(epoch FROM before.observed_at - older_at)
                ELSE (views_1 - views_2) / extract(epoch FROM at_1 - at_2)
            END >= $5::float8 AS expected
    FROM newest
    LEFT JOIN LATERAL (
        SELECT observed_at, views, lead(views) OVER older AS older_views, lead(observed_at) OVER older AS older_at
        FROM (
            SELECT log.observed_at, log.views FROM $schema.video_stats_log AS log
            WHERE log.video_id = newest.id AND log.views IS NOT NULL
                AND log.observed_at < (SELECT started_at FROM open)
            ORDER BY log.observed_at DESC LIMIT 2
        ) AS two
        WINDOW older AS (ORDER BY observed_at DESC)
        ORDER BY observed_at DESC LIMIT 1
    ) AS before ON true
)
SELECT count(*) AS compared, count(*) FILTER (WHERE moved) AS moved, count(*) FILTER (WHERE expected) AS expected,
    count(*) FILTER (WHERE expected AND moved) AS grown,
    count(DISTINCT channel) FILTER (WHERE expected AND NOT moved) AS channels,
    min(observed_at) FILTER (WHERE NOT moved) AS first_still, min(observed_at) FILTER (WHERE moved) AS first_moved,
    (SELECT started_at FROM open) AS started_at, EXISTS (SELECT FROM open WHERE confirmed_at IS NOT NULL) AS confirmed
FROM judged
