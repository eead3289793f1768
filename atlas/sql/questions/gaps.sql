-- Where is data missing? Windows of searches that were not read, freezes of YouTube's counts, and more than 90 minutes
-- without a Tracker.
SELECT missing.what, missing.began_at, missing.ended_at, missing.details
FROM (
    SELECT 'search window not read' AS what, (payload ->> 'published_after')::timestamptz AS began_at,
        (payload ->> 'published_before')::timestamptz AS ended_at,
        concat(payload ->> 'query_term', ': ', payload ->> 'reason') AS details
    FROM $schema.events
    WHERE type = 'search_gap'
    UNION ALL
    SELECT 'counts frozen by YouTube', started_at, ended_at, concat(videos, ' videos of ', channels, ' channels')
    FROM $schema.count_freezes
    WHERE confirmed_at IS NOT NULL
    UNION ALL
    SELECT 'no Tracker at work', before, started_at, 'between two runs'
    FROM (
        SELECT started_at, max(coalesce(finished_at, started_at)) OVER (
            ORDER BY started_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS before
        FROM $schema.runs
        WHERE agent = 'tracker'
    ) AS trackers
    WHERE started_at - before > interval '90 minutes'
) AS missing
ORDER BY missing.began_at DESC
LIMIT 100
