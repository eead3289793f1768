-- Count for each day of a time zone the videos that were first seen and the breakouts that were detected; days without any
-- are left out. :since, :until schedule times, :zone name of the time zone
WITH found AS (
    SELECT (first_seen_at AT TIME ZONE :zone::text)::date AS day, count(*) AS new_videos, 0 AS breakouts
    FROM $schema.videos
    WHERE first_seen_at >= :since::timestamptz AND first_seen_at <= :until::timestamptz
    GROUP BY 1
    UNION ALL
    SELECT (detected_at AT TIME ZONE :zone::text)::date, 0, count(*)
    FROM $schema.breakouts
    WHERE detected_at >= :since::timestamptz AND detected_at <= :until::timestamptz
    GROUP BY 1
)
SELECT day, sum(new_videos)::bigint AS new_videos, sum(breakouts)::bigint AS breakouts
FROM found
GROUP BY day
ORDER BY day
