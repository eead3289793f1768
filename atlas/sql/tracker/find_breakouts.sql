-- Find videos whose growth in views per hour reached a threshold in the last interval, and did not in the one before, or
-- that is unknown. An interval lies between two snapshots with views; falling counts give negative rates. Snapshots of a
-- freeze are skipped, even if it is not confirmed: the first interval after it begins at the last snapshot before it.
-- $1 ids, $2 with a snapshot from this schedule time on, $3 threshold
WITH still AS MATERIALIZED (
    SELECT coalesce(range_agg(tstzrange(started_at, ended_at)), '{}') AS times FROM $schema.count_freezes
), rates AS (
    SELECT video.id, latest.observed_at, latest.views,
        3600.0 * (latest.views - latest.views_1) / extract(epoch FROM latest.observed_at - latest.at_1) AS rate,
        3600.0 * (latest.views_1 - latest.views_2) / extract(epoch FROM latest.at_1 - latest.at_2) AS rate_before
    FROM unnest($1::text[]) AS video (id)
    CROSS JOIN LATERAL (
        SELECT observed_at, views, lead(views, 1) OVER newest AS views_1, lead(observed_at, 1) OVER newest AS at_1,
            lead(views, 2) OVER newest AS views_2, lead(observed_at, 2) OVER newest AS at_2
        FROM (
            SELECT log.observed_at, log.views FROM $schema.video_stats_log AS log
            WHERE log.video_id = video.id AND log.views IS NOT NULL
                AND NOT log.observed_at <@ (SELECT times FROM still)
            ORDER BY log.observed_at DESC LIMIT 3
        ) AS three
        WINDOW newest AS (ORDER BY observed_at DESC)
        ORDER BY observed_at DESC LIMIT 1
    ) AS latest
)
SELECT id AS video_id, round(rate, 1)::float8 AS views_per_hour, views FROM rates
WHERE observed_at >= $2 AND rate >= $3 AND (rate_before IS NULL OR rate_before < $3)
ORDER BY id
