-- Return the kinds and spans of intervals (0: below :long hours, 2: 20 h and more) of which a large share of the videos
-- read in the last hours was far above usual, from a sample of pages
WITH recent AS MATERIALIZED (
    SELECT growth.kind, growth.surprise >= :surprise_step::float8 AS surprised, :now::timestamptz - observed_at AS ago,
        CASE WHEN interval_hours >= 20 THEN 2 WHEN interval_hours >= :long::float8 THEN 1 ELSE 0 END AS span,
        CASE WHEN growth.surprise >= :surprise_step::float8 THEN (
            SELECT coalesce(channel_id, id) FROM $schema.videos WHERE videos.id = growth.video_id
        ) END AS channel
    FROM $schema.video_growth AS growth TABLESAMPLE SYSTEM (
        (SELECT least(100.0, 819200.0 * :pages::integer / greatest(1, pg_relation_size('$schema.video_growth'))))
    )
    WHERE growth.observed_at > :now::timestamptz - interval '3 hours'
)
SELECT DISTINCT kind, span
FROM recent JOIN (VALUES (interval '1 hour'), (interval '3 hours')) AS time (width) ON ago < width
GROUP BY kind, span, width
HAVING count(*) FILTER (WHERE surprised) >= greatest(:videos::integer, :share::float8 * count(*))
    AND count(DISTINCT channel) >= :channels::integer
